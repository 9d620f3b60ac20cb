#pragma once
// How scales (and zero points) of groups are stored, and the ranges they come from.

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include <Kokkos_Core.hpp>

#include "backends/floats.hpp"
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

KOKKOS_INLINE_FUNCTION constexpr std::uint64_t scale_bytes(ScaleFormat format) {
    return format == ScaleFormat::fp32 ? 4 : format == ScaleFormat::fp16 ? 2 : 1;
}
KOKKOS_INLINE_FUNCTION constexpr std::uint64_t zero_bytes(ScaleFormat format) {
    return format == ScaleFormat::fp32 ? 4 : 2;
}

KOKKOS_INLINE_FUNCTION Float16 saturated_half(float value) {
    value = value > 65504.0F ? 65504.0F : value;
    value = value < -65504.0F ? -65504.0F : value;
    return from_float<Float16>(value);
}

template <class T>
KOKKOS_INLINE_FUNCTION void put_as(std::byte* place, T value) {
    std::memcpy(place, &value, sizeof(T));
}
template <class T>
KOKKOS_INLINE_FUNCTION T get_as(std::byte const* place) {
    T value;
    std::memcpy(&value, place, sizeof(T));
    return value;
}

/// 2^(code/8 - 24), the same to the last bit everywhere.
KOKKOS_INLINE_FUNCTION float log8_value(unsigned code) {
    constexpr float root[8] = {1.0F,        1.0905077F, 1.1892071F, 1.2968396F,
                               1.41421356F, 1.5422108F, 1.6817928F, 1.8340081F};
    return root[code % 8] * Kokkos::bit_cast<float>((code / 8 + 127 - 24) << 23);
}
/// The least code whose value is not below `scale`; 255 where none is.
KOKKOS_INLINE_FUNCTION unsigned log8_code(float scale) {
    if (!(scale > 0x1p-24F)) return 0;
    if (scale >= 0x1p8F) return 255;
    auto const octave = (Kokkos::bit_cast<std::uint32_t>(scale) >> 23) - (127 - 24);
    auto code = octave * 8;
    while (code < 255 && log8_value(code) < scale) ++code;
    return code;
}

KOKKOS_INLINE_FUNCTION float load_scale(ScaleFormat format, std::byte const* place) {
    if (format == ScaleFormat::fp16) return to_float(get_as<Float16>(place));
    if (format == ScaleFormat::fp32) return get_as<float>(place);
    return log8_value(static_cast<unsigned>(*place));
}

/// Stores a scale that is not negative and returns what load_scale() gives back.
KOKKOS_INLINE_FUNCTION float store_scale(ScaleFormat format, float scale, std::byte* place) {
    if (format == ScaleFormat::fp16) {
        put_as(place, saturated_half(scale));
    } else if (format == ScaleFormat::fp32) {
        put_as(place, scale < FLT_MIN ? FLT_MIN : scale);
    } else {
        *place = static_cast<std::byte>(log8_code(scale));
    }
    return load_scale(format, place);
}

KOKKOS_INLINE_FUNCTION float load_zero(ScaleFormat format, std::byte const* place) {
    return format == ScaleFormat::fp32 ? get_as<float>(place) : to_float(get_as<Float16>(place));
}
KOKKOS_INLINE_FUNCTION float store_zero(ScaleFormat format, float zero, std::byte* place) {
    if (format == ScaleFormat::fp32) {
        put_as(place, zero);
    } else {
        put_as(place, saturated_half(zero));
    }
    return load_zero(format, place);
}

/// Floats as integers in the same order; loops that take their least and greatest vectorise, unlike those over floats,
/// which must mind NaN.
KOKKOS_INLINE_FUNCTION std::int32_t ordered(float value) {
    auto const bits = Kokkos::bit_cast<std::int32_t>(value);
    return bits ^ static_cast<std::int32_t>(static_cast<std::uint32_t>(bits >> 31) >> 1);
}
KOKKOS_INLINE_FUNCTION float from_ordered(std::int32_t key) {
    return Kokkos::bit_cast<float>(key ^ static_cast<std::int32_t>(static_cast<std::uint32_t>(key >> 31) >> 1));
}
inline constexpr std::int32_t infinity_bits = 0x7f800000;

/// Largest magnitude of the finite values; 0 where there is none.
template <class T>
KOKKOS_INLINE_FUNCTION float largest_magnitude(T const* values, std::uint64_t count) {
    std::int32_t most = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const key = Kokkos::bit_cast<std::int32_t>(to_float(values[i])) & 0x7fffffff;
        most = key > most ? key : most;
    }
    if (most >= infinity_bits) {
        most = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const key = Kokkos::bit_cast<std::int32_t>(to_float(values[i])) & 0x7fffffff;
            if (key < infinity_bits && key > most) most = key;
        }
    }
    return Kokkos::bit_cast<float>(most);
}

/// Least and greatest finite value; both 0 where there is none.
template <class T>
KOKKOS_INLINE_FUNCTION void finite_ends(T const* values, std::uint64_t count, float& low, float& high) {
    std::int32_t least = INT32_MAX;
    std::int32_t most = INT32_MIN;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const key = ordered(to_float(values[i]));
        least = key < least ? key : least;
        most = key > most ? key : most;
    }
    if (most >= infinity_bits || least <= ~infinity_bits) {
        least = INT32_MAX;
        most = INT32_MIN;
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const key = ordered(to_float(values[i]));
            if (key >= infinity_bits || key <= ~infinity_bits) continue;
            least = key < least ? key : least;
            most = key > most ? key : most;
        }
    }
    low = least > most ? 0.0F : from_ordered(least);
    high = least > most ? 0.0F : from_ordered(most);
}

}  // namespace kvstone
