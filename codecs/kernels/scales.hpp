#pragma once
// How scales (and zero points) of groups are stored, and the ranges they come from.

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "backends/function.hpp"
#include "backends/kernels/floats.hpp"
#include "backends/kernels/group_ends.hpp"
#include "backends/kernels/half_lanes.hpp"
#include "codecs/options.hpp"

namespace kvstone {

/// fp32: 4 bytes. fp16: 2 bytes, rounded to nearest. log8: one byte c that stands for 2^(c/8 - 24), 2^-24 to 2^7.875 in
/// steps of 9%; the next larger one is taken, so that a range never shrinks. Zero points are fp32 beside fp32 scales,
/// else fp16.
enum class ScaleFormat : std::uint8_t { fp32, fp16, log8 };

inline ScaleFormat scale_format_named(std::string const& name) {
    return name == "fp32" ? ScaleFormat::fp32 : name == "fp16" ? ScaleFormat::fp16 : ScaleFormat::log8;
}

inline OptionSpec scale_option() {
    return choice_option("scale", "fp16", {"fp16", "fp32", "log8"}, "how scales are stored");
}

KVSTONE_FUNCTION constexpr std::uint64_t scale_bytes(ScaleFormat format) {
    return format == ScaleFormat::fp32 ? 4 : format == ScaleFormat::fp16 ? 2 : 1;
}
KVSTONE_FUNCTION constexpr std::uint64_t zero_bytes(ScaleFormat format) { return format == ScaleFormat::fp32 ? 4 : 2; }

KVSTONE_FUNCTION inline Float16 saturated_half(float value) {
    value = value > 65504.0F ? 65504.0F : value;
    value = value < -65504.0F ? -65504.0F : value;
    return from_float<Float16>(value);
}

template <class T>
KVSTONE_FUNCTION inline void put_as(std::byte* place, T value) {
    std::memcpy(place, &value, sizeof(T));
}
template <class T>
KVSTONE_FUNCTION inline T get_as(std::byte const* place) {
    T value;
    std::memcpy(&value, place, sizeof(T));
    return value;
}

/// 2^(code/8 - 24), the same to the last bit everywhere.
KVSTONE_FUNCTION inline float log8_value(unsigned code) {
    constexpr float root[8] = {1.0F,        1.0905077F, 1.1892071F, 1.2968396F,
                               1.41421356F, 1.5422108F, 1.6817928F, 1.8340081F};
    return root[code % 8] * std::bit_cast<float>((code / 8 + 127 - 24) << 23);
}
/// The least code whose value is not below `scale`; 255 where none is.
KVSTONE_FUNCTION inline unsigned log8_code(float scale) {
    if (!(scale > 0x1p-24F)) return 0;
    if (scale >= 0x1p8F) return 255;
    auto const octave = (std::bit_cast<std::uint32_t>(scale) >> 23) - (127 - 24);
    auto code = octave * 8;
    while (code < 255 && log8_value(code) < scale) ++code;
    return code;
}

/// Stores values as halves, saturated, and replaces them by what was stored.
KVSTONE_INLINE_ALWAYS void store_halves(float* values, std::uint64_t count, std::byte* place) {
    saturated_halves_of(values, count, place);
    floats_of_halves(place, count, values);
}

KVSTONE_FUNCTION inline void load_scales(ScaleFormat format, std::byte const* place, std::uint64_t count,
                                         float* scales) {
    if (format == ScaleFormat::fp16) {
        floats_of_halves(place, count, scales);
    } else if (format == ScaleFormat::fp32) {
        std::memcpy(scales, place, count * sizeof(float));
    } else {
        for (std::uint64_t i = 0; i < count; ++i) scales[i] = log8_value(static_cast<unsigned>(place[i]));
    }
}
/// Stores scales, none of them negative, and replaces them by what load_scales() gives back.
KVSTONE_INLINE_ALWAYS void store_scales(ScaleFormat format, float* scales, std::uint64_t count, std::byte* place) {
    if (format == ScaleFormat::fp16) {
        store_halves(scales, count, place);
    } else if (format == ScaleFormat::fp32) {
        for (std::uint64_t i = 0; i < count; ++i) scales[i] = scales[i] < FLT_MIN ? FLT_MIN : scales[i];
        std::memcpy(place, scales, count * sizeof(float));
    } else {
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const code = log8_code(scales[i]);
            place[i] = static_cast<std::byte>(code);
            scales[i] = log8_value(code);
        }
    }
}

/// One scale.
KVSTONE_FUNCTION inline float load_scale(ScaleFormat format, std::byte const* place) {
    float scale = 0;
    load_scales(format, place, 1, &scale);
    return scale;
}
KVSTONE_FUNCTION inline float store_scale(ScaleFormat format, float scale, std::byte* place) {
    store_scales(format, &scale, 1, place);
    return scale;
}

/// Likewise for zero points.
KVSTONE_FUNCTION inline void load_zeros(ScaleFormat format, std::byte const* place, std::uint64_t count, float* zeros) {
    if (format == ScaleFormat::fp32) {
        std::memcpy(zeros, place, count * sizeof(float));
    } else {
        floats_of_halves(place, count, zeros);
    }
}
KVSTONE_INLINE_ALWAYS void store_zeros(ScaleFormat format, float* zeros, std::uint64_t count, std::byte* place) {
    if (format == ScaleFormat::fp32) {
        std::memcpy(place, zeros, count * sizeof(float));
    } else {
        store_halves(zeros, count, place);
    }
}

}  // namespace kvstone
