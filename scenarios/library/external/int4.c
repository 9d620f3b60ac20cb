/*
 * A codec of KVstone in C: four bits a value, with a smallest value and a step for each vector. The bytes are those of
 * int4.py beside it: all smallest values, all steps, both as binary16, then two codes a byte, the first in the low half.
 *
 *     cc -std=c99 -O3 -shared -fPIC -o int4.so int4.c $(pkg-config --cflags kvstone-codec) -lm
 */
#include <kvstone/codec.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* To the nearest binary16, ties to even; beyond the largest one, to that. Little endian, as all of these bytes. */
static uint16_t half_of(float value) {
    uint32_t bits, sign, mantissa;
    float const size = fabsf(value);
    memcpy(&bits, &value, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    if (size >= 65504.0f) return (uint16_t)(sign | 0x7bffu);
    if (size < 0x1p-14f) return (uint16_t)(sign | (uint32_t)nearbyintf(size * 0x1p24f)); /* steps of 2^-24 */
    mantissa = (bits & 0x7fffffffu) - (112u << 23);
    return (uint16_t)(sign | (mantissa + 0xfffu + (mantissa >> 13 & 1u)) >> 13);
}

static float float_of(uint16_t half) {
    int const exponent = half >> 10 & 31, mantissa = half & 1023;
    float const size = exponent == 0 ? ldexpf((float)mantissa, -24) : ldexpf((float)(mantissa + 1024), exponent - 25);
    return half & 0x8000 ? -size : size;
}

static float within_range(float value) { return fminf(fmaxf(value, -0x1p126f), 0x1p126f); }

static int32_t fail(kvstone_error* error, int32_t status, char const* text) {
    snprintf(error->text, sizeof error->text, "%s", text);
    return status;
}

/* A codec has no state: its address is that of something that is not NULL. */
static int32_t create(kvstone_option const* options, uint64_t option_count, kvstone_codec** codec, kvstone_error* error) {
    static char nothing;
    (void)options;
    if (option_count > 0) return fail(error, KVSTONE_BAD_OPTION, "there are no options");
    *codec = (kvstone_codec*)(void*)&nothing;
    return KVSTONE_OK;
}

static void destroy(kvstone_codec* codec) { (void)codec; }

static char const* describe(kvstone_codec const* codec) {
    (void)codec;
    return "four bits, a smallest value and a step a vector";
}

static uint64_t vectors_of(kvstone_section const* section) { return section->layers * section->heads * section->tokens; }

static int32_t max_bytes(kvstone_codec* codec, kvstone_section const* section, uint64_t* bytes, kvstone_error* error) {
    (void)codec;
    (void)error;
    *bytes = vectors_of(section) * (4 + (section->dim + 1) / 2);
    return KVSTONE_OK;
}

static int32_t encode(kvstone_codec* codec, kvstone_section const* section, float const* values, uint8_t* bytes,
                      uint64_t capacity, uint64_t* written, kvstone_error* error) {
    uint64_t const vectors = vectors_of(section), dim = section->dim;
    uint8_t* packed = bytes + 4 * vectors;
    uint64_t v, d;
    max_bytes(codec, section, written, error);
    if (capacity < *written) return fail(error, KVSTONE_FAILED, "capacity is below max_bytes");
    for (v = 0; v < vectors; ++v, values += dim, packed += (dim + 1) / 2) {
        float least = INFINITY, most = -INFINITY, origin, step, inverse;
        uint16_t low, width;
        for (d = 0; d < dim; ++d) {
            if (!isfinite(values[d])) continue;
            if (values[d] < least) least = values[d];
            if (values[d] > most) most = values[d];
        }
        if (least > most) least = most = 0; /* nothing is finite */
        least = within_range(least); /* a width is finite */
        low = half_of(least);
        width = half_of((within_range(most) - least) / 15.0f);
        memcpy(bytes + 2 * v, &low, 2);
        memcpy(bytes + 2 * (vectors + v), &width, 2);
        origin = float_of(low);
        step = float_of(width);
        inverse = step > 0 ? 1.0f / step : 0;
        memset(packed, 0, (dim + 1) / 2);
        for (d = 0; d < dim; ++d) {
            float const level = ((isnan(values[d]) ? 0 : values[d]) - origin) * inverse;
            int const code = level >= 15.0f ? 15 : level > 0 ? (int)nearbyintf(level) : 0;
            packed[d / 2] = (uint8_t)(packed[d / 2] | code << 4 * (d % 2));
        }
    }
    return KVSTONE_OK;
}

static int32_t decode(kvstone_codec* codec, kvstone_section const* section, uint8_t const* bytes, uint64_t count,
                      float* values, kvstone_error* error) {
    uint64_t const vectors = vectors_of(section), dim = section->dim;
    uint8_t const* packed = bytes + 4 * vectors;
    uint64_t v, d, expected;
    max_bytes(codec, section, &expected, error);
    if (count != expected) return fail(error, KVSTONE_CORRUPT, "not the number of bytes of this section");
    for (v = 0; v < vectors; ++v, values += dim, packed += (dim + 1) / 2) {
        float origin, step;
        uint16_t low, width;
        memcpy(&low, bytes + 2 * v, 2);
        memcpy(&width, bytes + 2 * (vectors + v), 2);
        if ((low & 0x7c00) == 0x7c00 || width >= 0x7c00) return fail(error, KVSTONE_CORRUPT, "a smallest value or a step is no number");
        origin = float_of(low);
        step = float_of(width);
        for (d = 0; d < dim; ++d) values[d] = origin + (float)(packed[d / 2] >> 4 * (d % 2) & 15) * step;
    }
    return KVSTONE_OK;
}

KVSTONE_CODEC_EXPORT kvstone_codec_library const* kvstone_codec_entry(uint32_t abi_version) {
    static kvstone_codec_library const library = {
        sizeof library, KVSTONE_CODEC_ABI_VERSION, KVSTONE_MEMORY_HOST, "int4", "1", create, destroy, describe,
        max_bytes,      encode,                    decode};
    return abi_version == KVSTONE_CODEC_ABI_VERSION ? &library : NULL;
}
