#pragma once
// Kernels of the integer quantiser, one for each way in which values share a scale. Their call operators are those of devices,
// and what tests compare the functions for the vector units of hosts with (codecs/kernels/pages/int_pages.hpp).

#include <array>
#include <cstdint>

#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/pages/int_pages.hpp"
#include "codecs/kernels/uniform_grid.hpp"

namespace kvstone {

/// Codes that are worked on at a time: a multiple of every fixed group, and of 8, so that each part starts at a byte.
inline constexpr std::uint64_t codes_at_a_time = 256;

/// Groups of channels within a vector. Several tokens make a page, so that there are enough groups to work on together.
template <class Code>
struct TokenGroups {
    static constexpr bool whole_lines = true;

    UniformGrid grid;
    std::uint64_t group;  ///< a multiple of 8, or the vector

    void encode_page(Page<float const> const& page, IntPlaces const& to) const {
        encode_token_groups(grid, group, page, to);
    }
    void decode_page(ConstIntPlaces const& from, Page<float> const& page) const {
        decode_token_groups(grid, group, from, page);
    }

    /// Tokens of a page.
    static std::uint64_t tokens_at_a_time(std::uint64_t dim, std::uint64_t group) {
        auto const groups = (dim + group - 1) / group;
        return groups > groups_at_a_time ? 1 : std::min<std::uint64_t>(groups_at_a_time / groups, 16);
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, IntPlaces const& to) const {
        auto const groups = (page.dim + group - 1) / group;
        auto const row = packed_bytes(page.dim, grid.bits);
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t g = 0; g < groups; g += groups_at_a_time) {
                auto const now = groups - g < groups_at_a_time ? groups - g : groups_at_a_time;
                auto const at = t * groups + g;
                encode_vector(
                    page.vector(t), page.dim, g, now,
                    {to[0] + t * row, to[1] + at * scale_bytes(grid.format), to[2] + at * grid.zero_bytes_of_group()});
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(ConstIntPlaces const& from, Page<T> const& page) const {
        auto const groups = (page.dim + group - 1) / group;
        auto const row = packed_bytes(page.dim, grid.bits);
        // Steps of several tokens are read together, or those of a vector in parts.
        auto const tokens = groups > groups_at_a_time ? 1 : page.tokens;
        for (std::uint64_t t = 0; t < page.tokens; t += tokens) {
            for (std::uint64_t g = 0; g < groups; g += groups_at_a_time) {
                auto const now = groups - g < groups_at_a_time ? groups - g : groups_at_a_time;
                auto const at = t * groups + g;
                GridSteps<> steps;
                grid.load(tokens * now, from[1] + at * scale_bytes(grid.format),
                          from[2] + at * grid.zero_bytes_of_group(), steps);
                for (std::uint64_t k = 0; k < tokens; ++k) {
                    decode_vector(from[0] + (t + k) * row, g, now, steps.zero + k * now, steps.scale + k * now,
                                  page.vector(t + k), page.dim);
                }
            }
        }
    }

    /// `groups` groups of a vector from `first` on.
    template <class T>
    KOKKOS_INLINE_FUNCTION void encode_vector(T const* values, std::uint64_t dim, std::uint64_t first,
                                              std::uint64_t groups, IntPlaces const& to) const {
        float least[groups_at_a_time];
        float most[groups_at_a_time];
        GridSteps<> steps;
        for (std::uint64_t g = 0; g < groups; ++g) {
            auto const from = (first + g) * group;
            grid.range(values + from, dim - from < group ? dim - from : group, least[g], most[g]);
        }
        grid.store(least, most, groups, to[1], to[2], steps);
        Code codes[codes_at_a_time];
        auto const begin = first * group;
        auto const end = (first + groups) * group < dim ? (first + groups) * group : dim;
        for (auto from = begin; from < end; from += codes_at_a_time) {
            auto const count = end - from < codes_at_a_time ? end - from : codes_at_a_time;
            for (std::uint64_t done = 0, now = 0; done < count; done += now) {
                auto const g = (from + done - begin) / group;
                now = piece(from + done, count - done);
                grid.template quantise<false>(values + from + done, now, steps.zero + g, steps.inverse + g,
                                              codes + done);
            }
            pack_codes(grid.bits, codes, count, to[0] + from * grid.bits / 8);
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void decode_vector(std::byte const* row, std::uint64_t first, std::uint64_t groups,
                                              float const* zero, float const* scale, T* values,
                                              std::uint64_t dim) const {
        Code buffer[codes_at_a_time];
        auto const begin = first * group;
        auto const end = (first + groups) * group < dim ? (first + groups) * group : dim;
        for (auto from = begin; from < end; from += codes_at_a_time) {
            auto const count = end - from < codes_at_a_time ? end - from : codes_at_a_time;
            auto const* const codes = unpacked(grid.bits, row + from * grid.bits / 8, count, buffer);
            for (std::uint64_t done = 0, now = 0; done < count; done += now) {
                auto const g = (from + done - begin) / group;
                now = piece(from + done, count - done);
                grid.template restore<false>(codes + done, now, zero + g, scale + g, values + from + done);
            }
        }
    }
    /// Values from `from` on, `left` at the most, that belong to one group.
    KOKKOS_INLINE_FUNCTION std::uint64_t piece(std::uint64_t from, std::uint64_t left) const {
        auto const in_group = group - from % group;
        return in_group < left ? in_group : left;
    }
};

/// One group for each channel of a page of tokens.
template <class Code>
struct ChannelGroups {
    static constexpr bool whole_lines = true;

    UniformGrid grid;

    void encode_page(Page<float const> const& page, IntPlaces const& to) const {
        encode_channel_groups(grid, page, to);
    }
    void decode_page(ConstIntPlaces const& from, Page<float> const& page) const {
        decode_channel_groups(grid, from, page);
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, IntPlaces const& to) const {
        auto const row = packed_bytes(page.dim, grid.bits);
        for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
            auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
            float low[groups_at_a_time];
            float high[groups_at_a_time];
            row_ends(page.values + first, page.stride, page.tokens, count, low, high);
            GridSteps<> steps;
            grid.store(low, high, count, to[1] + first * scale_bytes(grid.format),
                       to[2] + first * grid.zero_bytes_of_group(), steps);
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                pack_filled<Code, codes_at_a_time>(
                    grid.bits, count, to[0] + t * row + first * grid.bits / 8, [&](Code* codes) {
                        grid.template quantise<true>(page.vector(t) + first, count, steps.zero, steps.inverse, codes);
                    });
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(ConstIntPlaces const& from, Page<T> const& page) const {
        auto const row = packed_bytes(page.dim, grid.bits);
        for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
            auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
            GridSteps<> steps;
            grid.load(count, from[1] + first * scale_bytes(grid.format), from[2] + first * grid.zero_bytes_of_group(),
                      steps);
            Code codes[codes_at_a_time];
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                auto const* const found = unpacked(grid.bits, from[0] + t * row + first * grid.bits / 8, count, codes);
                grid.template restore<true>(found, count, steps.zero, steps.scale, page.vector(t) + first);
            }
        }
    }
};

/// One group for many vectors, its scale stored before: per tensor, layer or head.
template <class Code>
struct SharedGroups {
    static constexpr bool whole_lines = true;

    UniformGrid grid;
    std::byte const* scales;
    std::byte const* zeros;
    std::uint64_t per_layer;  ///< groups of a layer: 0 where all share one
    std::uint64_t per_head;

    void encode_page(Page<float const> const& page, std::array<std::byte*, 1> const& to) const {
        float zero = 0;
        float scale = 0;
        load(page, zero, scale);
        encode_shared_groups(grid, zero, scale, page, to[0]);
    }
    void decode_page(std::array<std::byte const*, 1> const& from, Page<float> const& page) const {
        float zero = 0;
        float scale = 0;
        load(page, zero, scale);
        decode_shared_groups(grid, zero, scale, from[0], page);
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 1> const& to) const {
        float zero = 0;
        float scale = 0;
        load(page, zero, scale);
        float const inverse = scale > 0 ? 1.0F / scale : 0.0F;
        auto const row = packed_bytes(page.dim, grid.bits);
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
                auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
                pack_filled<Code, codes_at_a_time>(
                    grid.bits, count, to[0] + t * row + first * grid.bits / 8, [&](Code* codes) {
                        grid.template quantise<false>(page.vector(t) + first, count, &zero, &inverse, codes);
                    });
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 1> const& from, Page<T> const& page) const {
        float zero = 0;
        float scale = 0;
        load(page, zero, scale);
        auto const row = packed_bytes(page.dim, grid.bits);
        Code codes[codes_at_a_time];
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
                auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
                auto const* const found = unpacked(grid.bits, from[0] + t * row + first * grid.bits / 8, count, codes);
                grid.template restore<false>(found, count, &zero, &scale, page.vector(t) + first);
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void load(Page<T> const& page, float& zero, float& scale) const {
        auto const number = page.layer * per_layer + page.head * per_head;
        load_scales(grid.format, scales + number * scale_bytes(grid.format), 1, &scale);
        if (!grid.symmetric) load_zeros(grid.format, zeros + number * zero_bytes(grid.format), 1, &zero);
    }
};

}  // namespace kvstone
