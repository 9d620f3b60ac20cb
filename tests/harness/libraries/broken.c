/* Codec libraries that break the rules of kvstone/codec.h, each in the way that its option `mode` says; without a mode it is
 * an exact copy. Compiled with other definitions it is a library that cannot be loaded. */
#define _POSIX_C_SOURCE 200809L
#include <kvstone/codec.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#ifndef ABI
#define ABI KVSTONE_CODEC_ABI_VERSION
#endif
#ifndef MEMORIES
#define MEMORIES KVSTONE_MEMORY_HOST
#endif
#ifndef TABLE_BYTES
#define TABLE_BYTES sizeof(kvstone_codec_library)
#endif

struct kvstone_codec {
    char mode[32];
};

/* What a cheater remembers, and a decoder with a memory. */
static float* kept;
static uint64_t kept_values;
static uint64_t decoded_before;

static int is(kvstone_codec const* codec, char const* mode) { return strcmp(codec->mode, mode) == 0; }
static uint64_t values_of(kvstone_section const* s) { return s->layers * s->heads * s->tokens * s->dim; }

static int32_t say(kvstone_error* error, int32_t status, char const* text) {
    snprintf(error->text, sizeof error->text, "%s", text);
    return status;
}

static void wait_for_ever(void) {
    for (;;) pause();
}

static int32_t create(kvstone_option const* options, uint64_t count, kvstone_codec** codec, kvstone_error* error) {
    uint64_t i;
    *codec = calloc(1, sizeof **codec);
    for (i = 0; i < count; ++i) {
        if (strcmp(options[i].key, "mode") != 0) {
            free(*codec);
            return say(error, KVSTONE_BAD_OPTION, "there is one option: mode");
        }
        strncpy((*codec)->mode, options[i].value, sizeof (*codec)->mode - 1);
    }
    if (is(*codec, "no_codec")) *codec = NULL;
    return KVSTONE_OK;
}

static void destroy(kvstone_codec* codec) { free(codec); }
static char const* describe(kvstone_codec const* codec) { return codec->mode; }

static int32_t max_bytes(kvstone_codec* codec, kvstone_section const* s, uint64_t* bytes, kvstone_error* error) {
    *bytes = values_of(s) * sizeof(float);
    if (is(codec, "kept")) *bytes = 1;
    if (is(codec, "huge")) *bytes = UINT64_MAX / 2;
    if (is(codec, "dim") && s->dim != 64) return say(error, KVSTONE_NOT_APPLICABLE, "dim is 64 here");
    return KVSTONE_OK;
}

static int32_t encode(kvstone_codec* codec, kvstone_section const* s, float const* values, uint8_t* bytes, uint64_t capacity,
                      uint64_t* written, kvstone_error* error) {
    uint64_t const count = values_of(s);
    if (is(codec, "crash_encode")) raise(SIGSEGV);
    if (is(codec, "exit")) exit(3);
    if (is(codec, "hang_encode")) wait_for_ever();
    if (is(codec, "refuse")) return say(error, KVSTONE_FAILED, "not on a Tuesday");
    if (is(codec, "silent")) return 77;
    if (is(codec, "short_of_memory")) return KVSTONE_OUT_OF_MEMORY;
    if (is(codec, "writes_values")) ((float*)values)[0] = 1;
    if (is(codec, "kept")) {
        kept = realloc(kept, count * sizeof(float));
        memcpy(kept, values, count * sizeof(float));
        kept_values = count;
        *written = 1;
        return KVSTONE_OK;
    }
    memcpy(bytes, values, count * sizeof(float));
    *written = count * sizeof(float);
    if (is(codec, "beyond")) bytes[capacity] = 7;
    if (is(codec, "before")) bytes[-1] = 7;
    if (is(codec, "too_many")) *written = capacity + 1;
    if (is(codec, "clock") && count > 0) { /* other bytes each time */
        static unsigned calls;
        bytes[0] ^= (uint8_t)++calls;
    }
    if (is(codec, "threads") && count > 0) bytes[0] ^= (uint8_t)s->threads;
    if (is(codec, "loud")) {
        int i;
        for (i = 0; i < 100000; ++i) fprintf(stderr, "line %d of a library that has much to say\n", i);
        puts("and on standard output, too");
        fflush(stdout);
    }
    if (is(codec, "fork")) {
        if (fork() == 0) wait_for_ever();
    }
    return KVSTONE_OK;
}

static int32_t decode(kvstone_codec* codec, kvstone_section const* s, uint8_t const* bytes, uint64_t count, float* values,
                      kvstone_error* error) {
    uint64_t const bytes_of_values = values_of(s) * sizeof(float);
    if (is(codec, "crash_decode")) raise(SIGABRT);
    if (is(codec, "hang_decode")) wait_for_ever();
    if (is(codec, "slow")) {
        struct timespec const time = {0, 50000000};
        nanosleep(&time, NULL);
    }
    if (is(codec, "kept")) {
        memset(values, 0, bytes_of_values);
        if (kept_values == values_of(s)) memcpy(values, kept, bytes_of_values);
        return KVSTONE_OK;
    }
    if (is(codec, "trusting")) { /* believes that there are as many bytes as there should be, and reads an offset from them */
        uint64_t offset = 0;
        memcpy(&offset, bytes, sizeof(float));
        if (count >= 4 && ((uint8_t)bytes[3] & 0x7f) == 0x7f) memcpy(values, bytes + (offset << 20), bytes_of_values);
    }
    if (is(codec, "trusts_length") && count < bytes_of_values) abort();
    if (count != bytes_of_values) return say(error, KVSTONE_CORRUPT, "not as many bytes as values need");
    memcpy(values, bytes, is(codec, "unwritten") ? bytes_of_values - sizeof(float) : bytes_of_values);
    if (is(codec, "nan") && count > 0) values[0] /= 0 * values[0];
    if (is(codec, "beyond_normal")) { /* overflows for the largest values alone */
        uint64_t i;
        for (i = 0; i < values_of(s); ++i) values[i] = values[i] * 1.5f / 1.5f;
    }
    if (is(codec, "values_beyond")) values[values_of(s)] = 1;
    if (is(codec, "writes_bytes")) ((uint8_t*)bytes)[0] = 1;
    if (is(codec, "remembers") && count > 0) values[0] += (float)decoded_before++;
    return KVSTONE_OK;
}

#ifndef NO_ENTRY
KVSTONE_CODEC_EXPORT kvstone_codec_library const* kvstone_codec_entry(uint32_t abi_version) {
    static kvstone_codec_library library = {TABLE_BYTES, ABI,    MEMORIES,  "broken", "1", create,
                                            destroy,     describe, max_bytes, encode,   decode};
#ifdef NO_DECODE
    library.decode = NULL;
#endif
#ifdef NO_TABLE
    return NULL;
#endif
    (void)abi_version;
    return &library;
}
#endif
