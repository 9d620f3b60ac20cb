/*
 * kvstone/codec.h: the interface between KVstone and a codec in a shared library.
 *
 * A codec makes bytes of a box of a KV cache, and the box of the bytes. KVstone measures it beside its own codecs: the
 * same tensors, figures, ledger and proofs. A library exports one function, kvstone_codec_entry(), which returns a table
 * of functions; a scenario names the library:
 *
 *     codecs:
 *       theirs: {library: ./libtheirs.so, options: {bits: 4}}
 *
 * `kvstone check-codec ./libtheirs.so --options bits=4` tells whether it keeps the rules below. Two whole libraries stand
 * in the folder share/kvstone/templates of an installed KVstone.
 *
 * Language    C99. C++ includes it as it is; docs/codec-libraries.md has the same declarations for Rust. Integers have fixed
 *             widths, no struct has bit fields, and every struct begins with its own size.
 * Versions    KVSTONE_CODEC_ABI_VERSION changes when a library made for the old one would misbehave. Members that are added
 *             at the end of a struct do not change it: `struct_bytes` tells which members a struct has. A library fills in
 *             the size that it was compiled with; KVstone does the same in the structs that it hands over.
 * Tensors     f32, [layer, head, token, dim] with dim fastest and without gaps: value (l, h, t, d) is
 *             values[((l * heads + h) * tokens + t) * dim + d]. K is given as attention reads it, after its rotary embedding.
 * Processes   encode() and decode() are called in two processes, each of which called create() with the same options. The
 *             decoding process never has the tensor: everything that decode() needs is in the bytes, in the section and in
 *             the options. Sections come in any order, any number of times.
 * Memory      The caller owns all memory that it hands over, for the length of the call. `values` and `bytes` are aligned to
 *             64 bytes. Strings are UTF-8 and end with a zero byte. Memory that create() allocates is freed by destroy().
 * Threads     A process makes one codec, and calls it from one thread. A library may start threads of its own:
 *             kvstone_section.threads is the number that a measurement allows, and the bytes do not depend on it. No thread
 *             may work on after the call that started it.
 * Errors      A function returns KVSTONE_OK or says why not: one of kvstone_status, and a sentence in `error`. C++ exceptions
 *             must not leave a function. decode() answers bytes that encode() cannot have written with KVSTONE_CORRUPT, or
 *             with any values; it ends in finite time, and stays inside its memory.
 * Times       Measured around the call, in the process that made it, with nothing else in between.
 */
#ifndef KVSTONE_CODEC_H
#define KVSTONE_CODEC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KVSTONE_CODEC_ABI_VERSION 1

#if defined(__GNUC__)
#define KVSTONE_CODEC_EXPORT __attribute__((visibility("default")))
#else
#define KVSTONE_CODEC_EXPORT
#endif

/* How a call ended. */
enum kvstone_status {
    KVSTONE_OK = 0,
    KVSTONE_FAILED = 1,         /* any other reason */
    KVSTONE_BAD_OPTION = 2,     /* create(): an option is unknown, or has a value that is not accepted */
    KVSTONE_NOT_APPLICABLE = 3, /* the codec does not take such a section (another dim, say): the cell is skipped */
    KVSTONE_CORRUPT = 4,        /* decode(): encode() did not write these bytes */
    KVSTONE_OUT_OF_MEMORY = 5
};

enum kvstone_component { KVSTONE_K = 0, KVSTONE_V = 1 };

/* The type of a section's values. Version 1 has one. */
enum kvstone_element_type { KVSTONE_F32 = 0 };

/* Where `values` and `bytes` lie. In kvstone_codec_library.memories these are bits, and may be added up. */
enum kvstone_memory {
    KVSTONE_MEMORY_HOST = 1,
    KVSTONE_MEMORY_CUDA = 2 /* memory of the current CUDA device; all work is done when the call returns */
};

/* One option of the scenario, as text: {bits: 4} is {"bits", "4"}. Keys are unique and come in alphabetical order. */
typedef struct kvstone_option {
    char const* key;
    char const* value;
} kvstone_option;

/* A box of one tensor, K or V. A tensor may be coded in several boxes, each by itself: rules of a codec text cut it. A box
 * may have no tokens. */
typedef struct kvstone_section {
    uint64_t struct_bytes;
    uint32_t component;    /* kvstone_component */
    uint32_t element_type; /* kvstone_element_type */
    uint64_t layers;       /* the box's shape */
    uint64_t heads;        /* KV heads */
    uint64_t tokens;
    uint64_t dim;         /* values of one head and token */
    uint64_t first_layer; /* the box's place within the tensor */
    uint64_t first_head;
    uint64_t first_token;
    uint32_t memory;  /* one kvstone_memory */
    uint32_t threads; /* processors that the codec may use, at least 1 */
} kvstone_section;

/* A sentence about a call that did not return KVSTONE_OK, written by the library, ended by a zero byte. */
typedef struct kvstone_error {
    uint64_t struct_bytes;
    char text[504];
} kvstone_error;

/* The library's own; KVstone looks at its address alone. */
typedef struct kvstone_codec kvstone_codec;

/* The table that kvstone_codec_entry() returns. It is constant, and lives as long as the library is loaded. No pointer is
 * null, except where that is said. */
typedef struct kvstone_codec_library {
    uint64_t struct_bytes; /* sizeof(kvstone_codec_library) */
    uint32_t abi_version;  /* KVSTONE_CODEC_ABI_VERSION */
    uint32_t memories;     /* kvstone_memory bits: where the codec takes values and bytes */
    char const* name;      /* of the method, in one word */
    char const* version;   /* of the library: changed when its bytes or its values change */

    /* Makes a codec. On KVSTONE_OK *codec is to be handed to all other functions, and last to destroy(). `options` has
     * `option_count` entries, and is null where that is 0. */
    int32_t (*create)(kvstone_option const* options, uint64_t option_count, kvstone_codec** codec, kvstone_error* error);

    void (*destroy)(kvstone_codec* codec);

    /* One line on the codec with its options, such as "uniform, 4 bits, a scale a vector". Lives as long as the codec. */
    char const* (*describe)(kvstone_codec const* codec);

    /* *bytes: the most that encode() writes for any values of this section. */
    int32_t (*max_bytes)(kvstone_codec* codec, kvstone_section const* section, uint64_t* bytes, kvstone_error* error);

    /* Reads layers * heads * tokens * dim values, which may be NaN or Inf. Writes at most `capacity` bytes, which is
     * max_bytes() of this section, and their number into *written; all of them are stored and billed. The same values give
     * the same bytes. */
    int32_t (*encode)(kvstone_codec* codec, kvstone_section const* section, float const* values, uint8_t* bytes,
                      uint64_t capacity, uint64_t* written, kvstone_error* error);

    /* Reads `count` bytes, and writes every value of the section. Where all values of a section are finite, all come back
     * finite. */
    int32_t (*decode)(kvstone_codec* codec, kvstone_section const* section, uint8_t const* bytes, uint64_t count,
                      float* values, kvstone_error* error);
} kvstone_codec_library;

/* The one symbol that a library exports. `abi_version` is KVstone's own; null where the library cannot serve it. */
KVSTONE_CODEC_EXPORT kvstone_codec_library const* kvstone_codec_entry(uint32_t abi_version);

typedef kvstone_codec_library const* (*kvstone_codec_entry_function)(uint32_t abi_version);
#define KVSTONE_CODEC_ENTRY_NAME "kvstone_codec_entry"

#ifdef __cplusplus
}
#endif

#endif
