#pragma once
// Kernels of the integer quantiser, one for each way in which values share a scale.

#include <array>
#include <cstdint>

#include "backends/map_pages.hpp"
#include "codecs/bit_packing.hpp"
#include "codecs/uniform_grid.hpp"

namespace kvstone {

/// Codes that are worked on at a time: a multiple of every fixed group, and of 8, so that each part starts at a byte.
inline constexpr std::uint64_t codes_at_a_time = 256;

/// Planes of a page: payload, scales, zeros.
using IntPlaces = std::array<std::byte*, 3>;
using ConstIntPlaces = std::array<std::byte const*, 3>;

/// Groups of channels within a vector; a page is one token. fixed: the group where it is known when compiling, else 0.
template <class Code, unsigned fixed>
struct TokenGroups {
    UniformGrid grid;
    std::uint64_t group;

    KOKKOS_INLINE_FUNCTION std::uint64_t size() const { return fixed > 0 ? fixed : group; }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, IntPlaces const& to) const {
        auto const sb = scale_bytes(grid.format);
        auto const zb = grid.zero_bytes_of_group();
        if (size() > codes_at_a_time) return long_groups(page, to);
        Code codes[codes_at_a_time];
        auto const per_part = codes_at_a_time / size() * size();
        std::uint64_t number = 0;
        for (std::uint64_t first = 0; first < page.dim; first += per_part) {
            auto const count = page.dim - first < per_part ? page.dim - first : per_part;
            for (std::uint64_t g = 0; g < count; g += size(), ++number) {
                if (count - g >= size()) {
                    one_group(page.values + first + g, size(), to[1] + number * sb, to[2] + number * zb, codes + g);
                } else {
                    one_group(page.values + first + g, count - g, to[1] + number * sb, to[2] + number * zb, codes + g);
                }
            }
            pack_codes(grid.bits, codes, count, to[0] + first * grid.bits / 8);
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void one_group(T const* values, std::uint64_t count, std::byte* scale, std::byte* zero,
                                          Code* codes) const {
        float least;
        float most;
        grid.range(values, count, least, most);
        grid.quantise(values, count, grid.store(least, most, scale, zero), codes);
    }

    /// Groups longer than what is worked on at a time.
    template <class T>
    KOKKOS_INLINE_FUNCTION void long_groups(Page<T const> const& page, IntPlaces const& to) const {
        Code codes[codes_at_a_time];
        for (std::uint64_t first = 0, number = 0; first < page.dim; first += group, ++number) {
            auto const count = page.dim - first < group ? page.dim - first : group;
            float least;
            float most;
            grid.range(page.values + first, count, least, most);
            auto const step = grid.store(least, most, to[1] + number * scale_bytes(grid.format),
                                         to[2] + number * grid.zero_bytes_of_group());
            for (std::uint64_t done = 0; done < count; done += codes_at_a_time) {
                auto const now = count - done < codes_at_a_time ? count - done : codes_at_a_time;
                grid.quantise(page.values + first + done, now, step, codes);
                pack_codes(grid.bits, codes, now, to[0] + (first + done) * grid.bits / 8);
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(ConstIntPlaces const& from, Page<T> const& page) const {
        Code codes[codes_at_a_time];
        for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
            auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
            unpack_codes(grid.bits, from[0] + first * grid.bits / 8, count, codes);
            for (std::uint64_t done = 0; done < count;) {
                auto const number = (first + done) / size();
                auto const left = (number + 1) * size() - first - done;
                auto const step = grid.load(from[1] + number * scale_bytes(grid.format),
                                            from[2] + number * grid.zero_bytes_of_group());
                if (fixed > 0 && count - done >= fixed && left == fixed) {
                    grid.restore(codes + done, fixed, step, page.values + first + done);
                    done += fixed;
                } else {
                    auto const now = count - done < left ? count - done : left;
                    grid.restore(codes + done, now, step, page.values + first + done);
                    done += now;
                }
            }
        }
    }
};

/// One group for each channel of a page of tokens.
template <class Code>
struct ChannelGroups {
    UniformGrid grid;

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, IntPlaces const& to) const {
        auto const row = packed_bytes(page.dim, grid.bits);
        for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
            auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
            float low[codes_at_a_time];
            float high[codes_at_a_time];
            channel_ends(page, first, count, low, high);
            auto* const scales = to[1] + first * scale_bytes(grid.format);
            auto* const zeros = to[2] + first * grid.zero_bytes_of_group();
            float zero[codes_at_a_time];
            float inverse[codes_at_a_time];
            for (std::uint64_t c = 0; c < count; ++c) {
                auto const step = grid.store(low[c], high[c], scales + c * scale_bytes(grid.format),
                                             zeros + c * grid.zero_bytes_of_group());
                zero[c] = step.zero;
                inverse[c] = step.inverse;
            }
            Code codes[codes_at_a_time];
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                quantise(page.vector(t) + first, count, zero, inverse, codes);
                pack_codes(grid.bits, codes, count, to[0] + t * row + first * grid.bits / 8);
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(ConstIntPlaces const& from, Page<T> const& page) const {
        auto const row = packed_bytes(page.dim, grid.bits);
        for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
            auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
            float zero[codes_at_a_time];
            float scale[codes_at_a_time];
            for (std::uint64_t c = 0; c < count; ++c) {
                auto const step = grid.load(from[1] + (first + c) * scale_bytes(grid.format),
                                            from[2] + (first + c) * grid.zero_bytes_of_group());
                zero[c] = step.zero;
                scale[c] = step.scale;
            }
            Code codes[codes_at_a_time];
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                unpack_codes(grid.bits, from[0] + t * row + first * grid.bits / 8, count, codes);
                auto* const values = page.vector(t) + first;
                for (std::uint64_t c = 0; c < count; ++c) {
                    values[c] = from_float<T>(zero[c] + grid.number(codes[c]) * scale[c]);
                }
            }
        }
    }

    /// Least and greatest finite value of each channel; both 0 where there is none.
    template <class T>
    KOKKOS_INLINE_FUNCTION void channel_ends(Page<T const> const& page, std::uint64_t first, std::uint64_t count,
                                             float* low, float* high) const {
        std::int32_t least[codes_at_a_time];
        std::int32_t most[codes_at_a_time];
        for (std::uint64_t c = 0; c < count; ++c) {
            least[c] = INT32_MAX;
            most[c] = INT32_MIN;
        }
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            auto const* const values = page.vector(t) + first;
            for (std::uint64_t c = 0; c < count; ++c) {
                auto const key = ordered(to_float(values[c]));
                // What is not finite is as good as absent.
                bool const finite = key < infinity_bits && key > ~infinity_bits;
                auto const as_least = finite ? key : INT32_MAX;
                auto const as_most = finite ? key : INT32_MIN;
                least[c] = as_least < least[c] ? as_least : least[c];
                most[c] = as_most > most[c] ? as_most : most[c];
            }
        }
        for (std::uint64_t c = 0; c < count; ++c) {
            low[c] = least[c] > most[c] ? 0.0F : from_ordered(least[c]);
            high[c] = least[c] > most[c] ? 0.0F : from_ordered(most[c]);
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void quantise(T const* values, std::uint64_t count, float const* zero, float const* inverse,
                                         Code* codes) const {
        float const least = grid.low();
        float const most = grid.high();
        auto const mask = static_cast<Code>((1U << grid.bits) - 1U);
        for (std::uint64_t c = 0; c < count; ++c) {
            float const value = to_float(values[c]);
            float code = ((value == value ? value : 0.0F) - zero[c]) * inverse[c];
            code = code > most ? most : code;
            code = code < least ? least : code;
            codes[c] = static_cast<Code>(Kokkos::bit_cast<std::uint32_t>(code + 12582912.0F)) & mask;
        }
    }
};

/// One group for many vectors, its scale stored before: per tensor, layer or head. A page is one token.
template <class Code>
struct SharedGroups {
    UniformGrid grid;
    std::byte const* scales;
    std::byte const* zeros;
    std::uint64_t per_layer;  ///< groups of a layer: 0 where all share one
    std::uint64_t per_head;

    template <class T>
    KOKKOS_INLINE_FUNCTION GridStep step_of(Page<T> const& page) const {
        auto const number = page.layer * per_layer + page.head * per_head;
        return grid.load(scales + number * scale_bytes(grid.format), zeros + number * grid.zero_bytes_of_group());
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 1> const& to) const {
        auto const stored = step_of(page);
        auto const step = GridStep::of(stored.zero, stored.scale);
        Code codes[codes_at_a_time];
        for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
            auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
            grid.quantise(page.values + first, count, step, codes);
            pack_codes(grid.bits, codes, count, to[0] + first * grid.bits / 8);
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 1> const& from, Page<T> const& page) const {
        auto const step = step_of(page);
        Code codes[codes_at_a_time];
        for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
            auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
            unpack_codes(grid.bits, from[0] + first * grid.bits / 8, count, codes);
            grid.restore(codes, count, step, page.values + first);
        }
    }
};

}  // namespace kvstone
