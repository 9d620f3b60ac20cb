#pragma once
// Kernels of small floating-point numbers in blocks, each with a scale of eight bits.

#include <array>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "backends/kernels/map_pages.hpp"
#include "backends/kernels/small_floats.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/block_pieces.hpp"
#include "codecs/kernels/pages/fp8_pages.hpp"
#include "codecs/kernels/pages/level_pages.hpp"
#include "codecs/kernels/scales.hpp"

namespace kvstone {

/// E8M0 for elements of the given format.
template <class Element>
struct PowerScale {
    static constexpr std::uint64_t block = 32;

    KOKKOS_INLINE_FUNCTION static PowerScale load(std::byte const*) { return {}; }
    KOKKOS_INLINE_FUNCTION std::uint32_t code(float magnitude) const {
        auto const exponent = Kokkos::bit_cast<std::uint32_t>(magnitude) >> 23;
        constexpr std::uint32_t largest = Element::largest_exponent;
        return exponent > largest ? exponent - largest : 0;
    }
    KOKKOS_INLINE_FUNCTION float step(std::uint32_t code) const {
        auto const bits = code == 0 ? 0x00400000U : code == 255 ? 0x7fc00000U : code << 23;
        return Kokkos::bit_cast<float>(bits);
    }
    /// 1 / step; codes written are below 254.
    KOKKOS_INLINE_FUNCTION float inverse(std::uint32_t code) const {
        return Kokkos::bit_cast<float>((254 - code) << 23);
    }
};

/// E4M3 below one f32 of the section, for E2M1.
struct GlobalScale {
    static constexpr std::uint64_t block = 16;

    float global;
    float of_largest;  ///< 1 / (6 g)

    static float global_of(float magnitude) {
        constexpr float largest = 448.0F * 6.0F;
        return std::fmax(std::fmin(magnitude, 0x1.fep127F) / largest, FLT_MIN);
    }
    KOKKOS_INLINE_FUNCTION static GlobalScale of(float g) { return {g, 1.0F / (6.0F * g)}; }
    KOKKOS_INLINE_FUNCTION static GlobalScale load(std::byte const* place) { return of(get_as<float>(place)); }
    KOKKOS_INLINE_FUNCTION std::uint32_t code(float magnitude) const {
        return small_float_code<E4M3>(magnitude * of_largest);
    }
    KOKKOS_INLINE_FUNCTION float step(std::uint32_t code) const { return small_float_value<E4M3>(code) * global; }
    KOKKOS_INLINE_FUNCTION float inverse(std::uint32_t code) const {
        float const size = step(code);
        return size >= FLT_MIN ? 1.0F / size : 0.0F;
    }
};

/// Pages of some tokens: payload and scales.
template <class Element, class Scale>
struct BlockFloats {
    static constexpr bool whole_lines = true;
    static constexpr std::uint64_t tokens_at_a_time = 16;
    static constexpr std::uint64_t block = Scale::block;
    static constexpr unsigned bits = Element::sign_place + 1;
    /// Values worked on at a time.
    static constexpr std::uint64_t part = 256;
    static constexpr auto fp8_format = std::is_same_v<Element, E4M3> ? Fp8Format::e4m3 : Fp8Format::e5m2;
    static_assert(bits == 4 || block == fp8_block_values);

    std::byte const* global;  ///< of the section, where there is one

    KOKKOS_INLINE_FUNCTION static std::uint64_t of_vector(std::uint64_t dim) { return (dim + block - 1) / block; }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 2> const& to) const {
        auto const scale = Scale::load(global);
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            auto* const row = to[0] + t * packed_bytes(page.dim, bits);
            auto* const scales = to[1] + t * of_vector(page.dim);
            for (std::uint64_t first = 0; first < page.dim; first += block) {
                auto const count = page.dim - first < block ? page.dim - first : block;
                encode_block(scale, page.vector(t) + first, count, row + first * bits / 8, scales + first / block);
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 2> const& from, Page<T> const& page) const {
        auto const scale = Scale::load(global);
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            auto const* const row = from[0] + t * packed_bytes(page.dim, bits);
            auto const* const scales = from[1] + t * of_vector(page.dim);
            for (std::uint64_t first = 0; first < page.dim; first += part) {
                auto const count = page.dim - first < part ? page.dim - first : part;
                decode_part(scale, row + first * bits / 8, scales + first / block, count, page.vector(t) + first);
            }
        }
    }

    /// By vectors, as many blocks at a time as stay near.
    void encode_page(Page<float const> const& page, std::array<std::byte*, 2> const& to) const {
        auto const scale = Scale::load(global);
        for_block_rows(page, block, [&](BlockRows const& rows, std::uint64_t token, std::uint64_t first) {
            float magnitudes[most_piece_blocks + register_room];
            float inverses[most_piece_blocks];
            std::uint32_t codes[most_piece_blocks];
            auto const count = rows.blocks();
            finite_magnitudes(rows, magnitudes);
            for (std::uint64_t b = 0; b < count; ++b) codes[b] = scale.code(magnitudes[b]);
            for (std::uint64_t b = 0; b < count; ++b) inverses[b] = scale.inverse(codes[b]);
            auto* const scales = to[1] + token * of_vector(page.dim) + first / block;
            for (std::uint64_t b = 0; b < count; ++b) scales[b] = static_cast<std::byte>(codes[b]);
            auto* const packed = to[0] + token * packed_bytes(page.dim, bits) + first * bits / 8;
            if constexpr (bits == 4) {
                nearest_e2m1(rows, inverses, packed);
            } else {
                fp8_codes_of_blocks(fp8_format, rows, inverses, reinterpret_cast<std::uint8_t*>(packed));
            }
        });
    }
    void decode_page(std::array<std::byte const*, 2> const& from, Page<float> const& page) const {
        auto const scale = Scale::load(global);
        for_block_rows(page, block, [&](BlockRows const& rows, std::uint64_t token, std::uint64_t first) {
            float steps[most_piece_blocks];
            auto const* const scales = from[1] + token * of_vector(page.dim) + first / block;
            auto const count = rows.blocks();
            for (std::uint64_t b = 0; b < count; ++b) steps[b] = scale.step(static_cast<std::uint32_t>(scales[b]));
            auto const* const packed = from[0] + token * packed_bytes(page.dim, bits) + first * bits / 8;
            auto* const values = page.vector(token) + first;
            if constexpr (bits == 4) {
                restore_e2m1(rows, steps, packed, values, page.streaming);
            } else {
                fp8_values_of_blocks(fp8_format, rows, steps, reinterpret_cast<std::uint8_t const*>(packed), values,
                                     page.streaming);
            }
        });
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION static void encode_block(Scale const& scale, T const* values, std::uint64_t count,
                                                    std::byte* packed, std::byte* of_block) {
        auto const code = scale.code(largest_magnitude(values, count));
        auto const inverse = scale.inverse(code);
        *of_block = static_cast<std::byte>(code);
        std::uint8_t codes[block];
        for (std::uint64_t i = 0; i < count; ++i) {
            codes[i] = static_cast<std::uint8_t>(code_of(to_float(values[i]), inverse));
        }
        pack_bytes<bits>(codes, count, packed);
    }
    KOKKOS_FORCEINLINE_FUNCTION static std::uint32_t code_of(float value, float inverse) {
        float scaled = value * inverse;
        if constexpr (Element::nan == 0) scaled = scaled == scaled ? scaled : 0.0F;
        return small_float_code<Element>(scaled);
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION static void decode_part(Scale const& scale, std::byte const* __restrict__ packed,
                                                   std::byte const* __restrict__ scales, std::uint64_t count,
                                                   T* __restrict__ values) {
        std::uint8_t buffer[part];
        auto const* const codes = unpacked(bits, packed, count, buffer);
        for (std::uint64_t first = 0; first < count; first += block) {
            auto const now = count - first < block ? count - first : block;
            float const step = scale.step(static_cast<std::uint32_t>(scales[first / block]));
            restore_numbers(codes + first, step, now, values + first);
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION static void restore_numbers(std::uint8_t const* __restrict__ codes, float step,
                                                       std::uint64_t count, T* __restrict__ values) {
        for (std::uint64_t i = 0; i < count; ++i) {
            values[i] = nearest_element<T>(small_float_value<Element>(codes[i]) * step);
        }
    }
};

}  // namespace kvstone
