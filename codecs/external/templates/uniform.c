/*
 * A codec for KVstone in C: every vector (one token of a layer and head) has a scale, and codes of `bits` bits.
 *
 *     cc -std=c99 -O3 -shared -fPIC -o uniform.so uniform.c $(pkg-config --cflags kvstone-codec) -lm
 *     kvstone check-codec ./uniform.so --options bits=4
 *
 * Bytes of a vector: the scale as f32 (little endian, as all processors that KVstone runs on), then the codes of its
 * values, the lowest bits first, the last byte filled up with zeros. With `most` = 2^(bits-1) - 1, a code c stands for
 * (c - most) * scale. The scale is the largest finite magnitude divided by `most`. NaN becomes 0, Inf the end of the range.
 */
#include <kvstone/codec.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kvstone_codec {
    unsigned bits;
    char text[64];
};

static int32_t fail(kvstone_error* error, int32_t status, char const* text) {
    snprintf(error->text, sizeof error->text, "%s", text);
    return status;
}

static int32_t create(kvstone_option const* options, uint64_t option_count, kvstone_codec** codec, kvstone_error* error) {
    unsigned bits = 4;
    uint64_t i;
    for (i = 0; i < option_count; ++i) {
        if (strcmp(options[i].key, "bits") != 0)
            return fail(error, KVSTONE_BAD_OPTION, "there is one option: bits");
        if (strlen(options[i].value) != 1 || options[i].value[0] < '2' || options[i].value[0] > '8')
            return fail(error, KVSTONE_BAD_OPTION, "bits is a number from 2 to 8");
        bits = (unsigned)(options[i].value[0] - '0');
    }
    *codec = malloc(sizeof **codec);
    if (*codec == NULL) return fail(error, KVSTONE_OUT_OF_MEMORY, "no memory for a codec");
    (*codec)->bits = bits;
    snprintf((*codec)->text, sizeof(*codec)->text, "uniform, %u bits, a scale a vector", bits);
    return KVSTONE_OK;
}

static void destroy(kvstone_codec* codec) { free(codec); }

static char const* describe(kvstone_codec const* codec) { return codec->text; }

static uint64_t vectors_of(kvstone_section const* section) { return section->layers * section->heads * section->tokens; }

static uint64_t vector_bytes(kvstone_codec const* codec, kvstone_section const* section) {
    return sizeof(float) + (section->dim * codec->bits + 7) / 8;
}

static int32_t max_bytes(kvstone_codec* codec, kvstone_section const* section, uint64_t* bytes, kvstone_error* error) {
    (void)error;
    *bytes = vectors_of(section) * vector_bytes(codec, section);
    return KVSTONE_OK;
}

static int32_t encode(kvstone_codec* codec, kvstone_section const* section, float const* values, uint8_t* bytes,
                      uint64_t capacity, uint64_t* written, kvstone_error* error) {
    uint64_t const vectors = vectors_of(section), dim = section->dim, each = vector_bytes(codec, section);
    int const most = (1 << (codec->bits - 1)) - 1;
    uint64_t v, d;
    if (capacity < vectors * each) return fail(error, KVSTONE_FAILED, "capacity is below max_bytes");
    for (v = 0; v < vectors; ++v, values += dim, bytes += each) {
        float largest = 0, scale;
        unsigned pending = 0, held = 0;
        uint8_t* out = bytes + sizeof scale;
        for (d = 0; d < dim; ++d)
            if (isfinite(values[d]) && fabsf(values[d]) > largest) largest = fabsf(values[d]);
        scale = largest / (float)most;
        if (isinf(scale * (float)most)) scale = nextafterf(scale, 0); /* finite values come back finite */
        memcpy(bytes, &scale, sizeof scale);
        for (d = 0; d < dim; ++d) {
            float level = 0;
            if (isinf(values[d])) level = values[d] > 0 ? (float)most : (float)-most;
            else if (scale > 0 && !isnan(values[d])) level = nearbyintf(values[d] / scale);
            if (level > (float)most) level = (float)most; /* a scale below the normal numbers is rounded */
            if (level < (float)-most) level = (float)-most;
            pending |= (unsigned)((int)level + most) << held;
            for (held += codec->bits; held >= 8; held -= 8, pending >>= 8) *out++ = (uint8_t)pending;
        }
        if (held > 0) *out = (uint8_t)pending;
    }
    *written = vectors * each;
    return KVSTONE_OK;
}

static int32_t decode(kvstone_codec* codec, kvstone_section const* section, uint8_t const* bytes, uint64_t count,
                      float* values, kvstone_error* error) {
    uint64_t const vectors = vectors_of(section), dim = section->dim, each = vector_bytes(codec, section);
    int const most = (1 << (codec->bits - 1)) - 1;
    uint64_t v, d;
    if (count != vectors * each) return fail(error, KVSTONE_CORRUPT, "not the number of bytes of this section");
    for (v = 0; v < vectors; ++v, values += dim, bytes += each) {
        float scale;
        unsigned pending = 0, held = 0;
        uint8_t const* in = bytes + sizeof scale;
        memcpy(&scale, bytes, sizeof scale);
        if (!(scale >= 0) || isinf(scale)) return fail(error, KVSTONE_CORRUPT, "a scale is not a finite number");
        for (d = 0; d < dim; ++d) {
            if (held < codec->bits) {
                pending |= (unsigned)*in++ << held;
                held += 8;
            }
            values[d] = (float)((int)(pending & ((1u << codec->bits) - 1)) - most) * scale;
            pending >>= codec->bits;
            held -= codec->bits;
        }
    }
    return KVSTONE_OK;
}

KVSTONE_CODEC_EXPORT kvstone_codec_library const* kvstone_codec_entry(uint32_t abi_version) {
    static kvstone_codec_library const library = {
        sizeof library, KVSTONE_CODEC_ABI_VERSION, KVSTONE_MEMORY_HOST, "uniform", "1", create, destroy, describe,
        max_bytes,      encode,                    decode};
    return abi_version == KVSTONE_CODEC_ABI_VERSION ? &library : NULL;
}
