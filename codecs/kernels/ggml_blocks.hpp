#pragma once
// Kernels of ggml's blocks of 32 values.
//
// The reference's arithmetic is on single floats, one operation after the other, and kept to the bit: a value clamped in
// between cannot be fused into one. Loops are over 16 blocks at a time, and over whole 32-bit lanes before bytes are made
// of them: they vectorise.

#include <array>
#include <cfloat>
#include <cstdint>
#include <cstring>

#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/pages/ggml_pages.hpp"
#include "codecs/kernels/scales.hpp"

namespace kvstone {

/// q8_0 <8, false>, q4_0 <4, false>, q4_1 <4, true>, q5_0 <5, false>, q5_1 <5, true>.
template <unsigned bits, bool with_least>
struct GgmlBlocks : GgmlLayout<bits, with_least> {
    using Layout = GgmlLayout<bits, with_least>;
    using Layout::bytes, Layout::header_bytes, Layout::high_bytes, Layout::values;
    using Layout::high, Layout::low, Layout::offset;
    static constexpr bool whole_lines = true;

    static constexpr std::uint64_t tokens_at_a_time = 16;
    static constexpr std::uint64_t blocks_at_a_time = 16;

    KOKKOS_INLINE_FUNCTION static std::uint64_t of_vector(std::uint64_t dim) { return (dim + values - 1) / values; }

    /// Least and greatest value of a block. q8_0: 0 and the largest magnitude; q4_0 and q5_0: of two that are equal in
    /// magnitude only the one that comes first, beside 0.
    struct Ends {
        float bottom;
        float top;
    };
    template <class T>
    KOKKOS_INLINE_FUNCTION static Ends ends_of(T const* block, std::uint64_t count) {
        Ends ends{0, 0};
        if constexpr (bits == 8) {
            ends.top = largest_magnitude(block, count);
        } else {
            finite_ends(block, count, ends.bottom, ends.top);
            if constexpr (with_least) {
                if (ends.bottom == 0) ends.bottom = first_of_magnitude(block, count, 0);
            } else if (-ends.bottom == ends.top) {
                bool const negative = ends.top != 0 && first_of_magnitude(block, count, ends.top) < 0;
                ends = negative ? Ends{ends.bottom, 0} : Ends{0, Kokkos::fabs(ends.top)};
            }
        }
        return ends;
    }

    /// Step and origin of a block before they are rounded to binary16, and what values are multiplied by.
    struct Step {
        float step;
        float least;
        float inverse;
    };
    KOKKOS_INLINE_FUNCTION static Step step_of(Ends const& ends) {
        Step made{0, 0, 0};
        if constexpr (with_least) {
            made.least = ends.bottom;
            made.step = ends.top == ends.bottom ? 0.0F : (ends.top - ends.bottom) / static_cast<float>(high);
        } else if constexpr (bits == 8) {
            made.step = ends.top / 127.0F;
        } else {
            made.step = (-ends.bottom > ends.top ? ends.bottom : ends.top) / static_cast<float>(-offset);
        }
        // Any factor does where the step, as binary16, is zero or too large to mean anything.
        float const inverse = 1.0F / made.step;
        bool const normal = Kokkos::fabs(inverse) >= FLT_MIN && Kokkos::fabs(inverse) <= FLT_MAX;
        made.inverse = normal ? inverse : FLT_MIN;
        return made;
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION static float first_of_magnitude(T const* block, std::uint64_t count, float magnitude) {
        for (std::uint64_t i = 0; i < count; ++i) {
            float const value = to_float(block[i]);
            if (Kokkos::fabs(value) == magnitude) return value;
        }
        return magnitude;
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 1> const& to) const {
        auto const of_page = page.tokens * of_vector(page.dim);
        std::uint64_t token = 0;
        std::uint64_t channel = 0;
        for (std::uint64_t first = 0; first < of_page; first += blocks_at_a_time) {
            auto const now = of_page - first < blocks_at_a_time ? of_page - first : blocks_at_a_time;
            T const* blocks[blocks_at_a_time];
            std::uint64_t counts[blocks_at_a_time];
            float bottoms[blocks_at_a_time];
            float tops[blocks_at_a_time];
            for (std::uint64_t b = 0; b < now; ++b) {
                blocks[b] = page.vector(token) + channel;
                counts[b] = page.dim - channel < values ? page.dim - channel : values;
                auto const ends = counts[b] == values ? ends_of(blocks[b], values) : ends_of(blocks[b], counts[b]);
                bottoms[b] = ends.bottom;
                tops[b] = ends.top;
                channel += values;
                if (channel >= page.dim) {
                    channel = 0;
                    ++token;
                }
            }
            float steps[blocks_at_a_time];
            float leasts[blocks_at_a_time];
            float inverses[blocks_at_a_time];
            for (std::uint64_t b = 0; b < now; ++b) {
                auto const made = step_of({bottoms[b], tops[b]});
                steps[b] = made.step;
                leasts[b] = made.least;
                inverses[b] = made.inverse;
            }
            std::int32_t words[blocks_at_a_time * values];
            std::uint8_t codes[blocks_at_a_time * values];
            for (std::uint64_t b = 0; b < now; ++b) {
                quantise(blocks[b], counts[b], leasts[b], inverses[b], words + b * values);
            }
            for (std::uint64_t i = 0; i < now * values; ++i) codes[i] = static_cast<std::uint8_t>(words[i]);
            Float16 halves[2][blocks_at_a_time];
            for (std::uint64_t b = 0; b < now; ++b) halves[0][b] = saturated_half(steps[b]);
            if constexpr (with_least) {
                for (std::uint64_t b = 0; b < now; ++b) halves[1][b] = saturated_half(leasts[b]);
            }
            auto* place = to[0] + first * bytes;
            for (std::uint64_t b = 0; b < now; ++b, place += bytes) {
                put_as(place, halves[0][b]);
                if constexpr (with_least) put_as(place + 2, halves[1][b]);
                pack(codes + b * values, place + header_bytes);
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 1> const& from, Page<T> const& page) const {
        auto const of_page = page.tokens * of_vector(page.dim);
        std::uint64_t token = 0;
        std::uint64_t channel = 0;
        for (std::uint64_t first = 0; first < of_page; first += blocks_at_a_time) {
            auto const now = of_page - first < blocks_at_a_time ? of_page - first : blocks_at_a_time;
            std::uint8_t codes[blocks_at_a_time * values];
            Float16 halves[2][blocks_at_a_time];
            auto const* place = from[0] + first * bytes;
            for (std::uint64_t b = 0; b < now; ++b, place += bytes) {
                halves[0][b] = get_as<Float16>(place);
                if constexpr (with_least) halves[1][b] = get_as<Float16>(place + 2);
                unpack(place + header_bytes, codes + b * values);
            }
            float steps[blocks_at_a_time];
            float leasts[blocks_at_a_time];
            for (std::uint64_t b = 0; b < now; ++b) {
                steps[b] = to_float(halves[0][b]);
                leasts[b] = with_least ? to_float(halves[1][b]) : 0.0F;
            }
            float numbers[blocks_at_a_time * values];
            for (std::uint64_t i = 0; i < now * values; ++i) {
                auto const code = bits == 8 ? static_cast<std::int32_t>(static_cast<std::int8_t>(codes[i]))
                                            : static_cast<std::int32_t>(codes[i]);
                numbers[i] = static_cast<float>(code - offset);
            }
            for (std::uint64_t b = 0; b < now; ++b) {
                T* __restrict__ const block = page.vector(token) + channel;
                auto const left = page.dim - channel;
                auto const* const number = numbers + b * values;
                if (left >= values) {
                    for (std::uint64_t i = 0; i < values; ++i) block[i] = value(number[i], steps[b], leasts[b], block);
                } else {
                    for (std::uint64_t i = 0; i < left; ++i) block[i] = value(number[i], steps[b], leasts[b], block);
                }
                channel += values;
                if (channel >= page.dim) {
                    channel = 0;
                    ++token;
                }
            }
        }
    }

    /// By vectors.
    void encode_page(Page<float const> const& page, std::array<std::byte*, 1> const& to) const {
        encode_ggml_blocks({bits, with_least}, page, to[0]);
    }
    void decode_page(std::array<std::byte const*, 1> const& from, Page<float> const& page) const {
        decode_ggml_blocks({bits, with_least}, from[0], page);
    }

  private:
    template <class T>
    KOKKOS_INLINE_FUNCTION static T value(float number, float step, float least, T const*) {
        return nearest_element<T>(with_least ? number * step + least : number * step);
    }

    /// Stored codes of one block, filled up with its last value. NaN counts as 0; Inf takes the last code on its side.
    template <class T>
    KOKKOS_INLINE_FUNCTION static void quantise(T const* __restrict__ block, std::uint64_t count, float least,
                                                float inverse, std::int32_t* __restrict__ words) {
        if (count == values) {
            for (std::uint64_t i = 0; i < values; ++i) words[i] = code_of(to_float(block[i]), least, inverse);
        } else {
            for (std::uint64_t i = 0; i < values; ++i) {
                words[i] = code_of(to_float(block[i < count ? i : count - 1]), least, inverse);
            }
        }
    }
    KOKKOS_INLINE_FUNCTION static std::int32_t code_of(float value, float least, float inverse) {
        constexpr auto bottom = static_cast<float>(low);
        constexpr auto top = static_cast<float>(high);
        float code = ((value == value ? value : 0.0F) - least) * inverse;
        code = code > top ? top : code;
        code = code < bottom ? bottom : code;
        // To nearest, ties away from zero: the float below a half, so that 0.49999997 is not one.
        if constexpr (bits == 8) return static_cast<std::int32_t>(code + Kokkos::copysign(0.49999997F, code));
        return static_cast<std::int32_t>(code + (static_cast<float>(offset) + 0.5F));
    }

    /// Codes of one block behind its header: high bits of five, then low and high half of the block in one byte.
    KOKKOS_INLINE_FUNCTION static void pack(std::uint8_t const* __restrict__ codes, std::byte* __restrict__ place) {
        if constexpr (bits == 8) {
            std::memcpy(place, codes, values);
        } else {
            if constexpr (bits == 5) {
                for (std::uint64_t i = 0; i < values; i += 8) {
                    auto const eight = get_as<std::uint64_t>(reinterpret_cast<std::byte const*>(codes + i));
                    // One bit of each byte, moved side by side into the uppermost byte.
                    auto const high_bits = (eight >> 4 & 0x0101010101010101U) * 0x0102040810204080U >> 56;
                    place[i / 8] = static_cast<std::byte>(high_bits);
                }
            }
            for (std::uint64_t i = 0; i < 16; ++i) {
                place[high_bytes + i] = static_cast<std::byte>((codes[i] & 0xfU) | codes[i + 16] << 4);
            }
        }
    }
    KOKKOS_INLINE_FUNCTION static void unpack(std::byte const* __restrict__ place, std::uint8_t* __restrict__ codes) {
        if constexpr (bits == 8) {
            std::memcpy(codes, place, values);
        } else {
            for (std::uint64_t i = 0; i < 16; ++i) {
                auto const byte = static_cast<std::uint8_t>(place[high_bytes + i]);
                codes[i] = byte & 0xfU;
                codes[i + 16] = static_cast<std::uint8_t>(byte >> 4);
            }
            if constexpr (bits == 5) {
                for (std::uint64_t i = 0; i < values; i += 8) {
                    // The byte eight times, of which each place keeps its own bit.
                    auto const spread = static_cast<std::uint64_t>(place[i / 8]) * 0x0101010101010101U;
                    auto const own = spread & 0x8040201008040201U;
                    auto const high_bits = (own + 0x007f7f7f7f7f7f7fU) >> 7 & 0x0101010101010101U;
                    auto const eight = get_as<std::uint64_t>(reinterpret_cast<std::byte const*>(codes + i));
                    put_as(reinterpret_cast<std::byte*>(codes + i), eight | high_bits << 4);
                }
            }
        }
    }
};

}  // namespace kvstone
