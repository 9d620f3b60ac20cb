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

/// Groups of channels within a vector. fixed: the group where it is known when compiling, else 0. Several tokens make a
/// page, so that there are enough scales for loops over them.
template <class Code, unsigned fixed>
struct TokenGroups {
    static constexpr bool whole_lines = true;

    UniformGrid grid;
    std::uint64_t group;  ///< a multiple of 8, or the vector

    KOKKOS_INLINE_FUNCTION std::uint64_t size() const { return fixed > 0 ? fixed : group; }
    /// Tokens of a page.
    static std::uint64_t tokens_at_a_time(std::uint64_t dim, std::uint64_t group) {
        auto const groups = (dim + group - 1) / group;
        return groups > groups_at_a_time ? 1 : std::min<std::uint64_t>(groups_at_a_time / groups, 16);
    }

    /// Groups of a vector that have all their values.
    KOKKOS_INLINE_FUNCTION std::uint64_t whole(std::uint64_t dim) const { return dim / size(); }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, IntPlaces const& to) const {
        auto const groups = (page.dim + size() - 1) / size();
        auto const row = packed_bytes(page.dim, grid.bits);
        for (std::uint64_t g = 0; g < groups; g += groups_at_a_time) {
            auto const now = groups - g < groups_at_a_time ? groups - g : groups_at_a_time;
            float least[groups_at_a_time];
            float most[groups_at_a_time];
            GridSteps steps;
            ends(page, g, now, least, most);
            // Where a page has several tokens, this is all of their groups, and g is 0.
            grid.store(least, most, page.tokens * now, to[1] + g * scale_bytes(grid.format),
                       to[2] + g * grid.zero_bytes_of_group(), steps);
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                code(page.vector(t), page.dim, g, now, steps.zero + t * now, steps.inverse + t * now, to[0] + t * row);
            }
        }
    }

    /// Ends of `groups` groups from `first` on of each token.
    template <class T>
    KOKKOS_INLINE_FUNCTION void ends(Page<T const> const& page, std::uint64_t first, std::uint64_t groups,
                                     float* least, float* most) const {
        if (fixed > 0 && page.dim % size() == 0) {
            GroupPlaces<T const> const places(page.values + first * size(), page.stride, groups, size());
            grid.template ranges<fixed>(places, page.tokens * groups, least, most);
            return;
        }
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t g = 0; g < groups; ++g) {
                auto const from = (first + g) * size();
                auto const count = page.dim - from < size() ? page.dim - from : size();
                grid.range(page.vector(t) + from, count, least[t * groups + g], most[t * groups + g]);
            }
        }
    }

    /// Codes of `groups` groups from `first` on of one vector, with the origin and factor of each.
    template <class T>
    KOKKOS_INLINE_FUNCTION void code(T const* values, std::uint64_t dim, std::uint64_t first, std::uint64_t groups,
                                     float const* zero, float const* inverse, std::byte* row) const {
        Code codes[codes_at_a_time];
        auto const begin = first * size();
        auto const end = (first + groups) * size() < dim ? (first + groups) * size() : dim;
        for (auto from = begin; from < end; from += codes_at_a_time) {
            auto const count = end - from < codes_at_a_time ? end - from : codes_at_a_time;
            std::uint64_t done = 0;
            if constexpr (fixed > 0) {
                done = count / fixed * fixed;
                auto const g = (from - begin) / fixed;
                grid.template quantise<fixed>(values + from, done, zero + g, inverse + g, codes);
            }
            for (std::uint64_t now = 0; done < count; done += now) {
                auto const g = (from + done - begin) / size();
                now = piece(from + done, count - done);
                grid.template quantise<0>(values + from + done, now, zero + g, inverse + g, codes + done);
            }
            pack_codes(grid.bits, codes, count, row + from * grid.bits / 8);
        }
    }
    /// Values from `from` on, `left` at the most, that belong to one group.
    KOKKOS_INLINE_FUNCTION std::uint64_t piece(std::uint64_t from, std::uint64_t left) const {
        auto const in_group = size() - from % size();
        return in_group < left ? in_group : left;
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(ConstIntPlaces const& from, Page<T> const& page) const {
        auto const groups = (page.dim + size() - 1) / size();
        auto const row = packed_bytes(page.dim, grid.bits);
        for (std::uint64_t g = 0; g < groups; g += groups_at_a_time) {
            auto const now = groups - g < groups_at_a_time ? groups - g : groups_at_a_time;
            GridSteps steps;
            grid.load(page.tokens * now, from[1] + g * scale_bytes(grid.format),
                      from[2] + g * grid.zero_bytes_of_group(), steps);
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                decode(from[0] + t * row, page, t, g, now, steps.zero + t * now, steps.scale + t * now);
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void decode(std::byte const* row, Page<T> const& page, std::uint64_t token,
                                       std::uint64_t first, std::uint64_t groups, float const* zero,
                                       float const* scale) const {
        Code codes[codes_at_a_time];
        T* const values = page.vector(token);
        auto const begin = first * size();
        auto const end = (first + groups) * size() < page.dim ? (first + groups) * size() : page.dim;
        for (auto from = begin; from < end; from += codes_at_a_time) {
            auto const count = end - from < codes_at_a_time ? end - from : codes_at_a_time;
            unpack_codes(grid.bits, row + from * grid.bits / 8, count, codes);
            std::uint64_t done = 0;
            if constexpr (fixed > 0) {
                done = count / fixed * fixed;
                auto const g = (from - begin) / fixed;
                grid.template restore<fixed>(codes, done, zero + g, scale + g, values + from, page.streaming);
            }
            for (std::uint64_t now = 0; done < count; done += now) {
                auto const g = (from + done - begin) / size();
                now = piece(from + done, count - done);
                bool const lines = page.streaming && (from + done) % line_values<T> == 0;
                grid.template restore<0>(codes + done, now, zero + g, scale + g, values + from + done, lines);
            }
        }
    }
};

/// One group for each channel of a page of tokens.
template <class Code>
struct ChannelGroups {
    static constexpr bool whole_lines = true;

    UniformGrid grid;

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, IntPlaces const& to) const {
        auto const row = packed_bytes(page.dim, grid.bits);
        for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
            auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
            float low[groups_at_a_time];
            float high[groups_at_a_time];
            channel_ends(page, first, count, low, high);
            GridSteps steps;
            grid.store(low, high, count, to[1] + first * scale_bytes(grid.format),
                       to[2] + first * grid.zero_bytes_of_group(), steps);
            Code codes[codes_at_a_time];
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                grid.template quantise<1>(page.vector(t) + first, count, steps.zero, steps.inverse, codes);
                pack_codes(grid.bits, codes, count, to[0] + t * row + first * grid.bits / 8);
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(ConstIntPlaces const& from, Page<T> const& page) const {
        auto const row = packed_bytes(page.dim, grid.bits);
        for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
            auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
            GridSteps steps;
            grid.load(count, from[1] + first * scale_bytes(grid.format), from[2] + first * grid.zero_bytes_of_group(),
                      steps);
            Code codes[codes_at_a_time];
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                unpack_codes(grid.bits, from[0] + t * row + first * grid.bits / 8, count, codes);
                grid.template restore<1>(codes, count, steps.zero, steps.scale, page.vector(t) + first, page.streaming);
            }
        }
    }

    /// Least and greatest finite value of each channel; both 0 where there is none.
    template <class T>
    KOKKOS_INLINE_FUNCTION void channel_ends(Page<T const> const& page, std::uint64_t first, std::uint64_t count,
                                             float* low, float* high) const {
        for (std::uint64_t c = 0; c < count; ++c) {
            low[c] = FLT_MAX;
            high[c] = -FLT_MAX;
        }
        for (std::uint64_t t = 0; t < page.tokens; ++t) widen_ends(page.vector(t) + first, count, low, high);
        for (std::uint64_t c = 0; c < count; ++c) {
            if (low[c] >= -FLT_MAX && high[c] <= FLT_MAX && low[c] <= high[c]) continue;
            low[c] = FLT_MAX;
            high[c] = -FLT_MAX;
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                float const value = to_float(page.vector(t)[first + c]);
                if (value >= -FLT_MAX && value <= FLT_MAX) {
                    low[c] = value < low[c] ? value : low[c];
                    high[c] = value > high[c] ? value : high[c];
                }
            }
            if (low[c] > high[c]) low[c] = high[c] = 0.0F;
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

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 1> const& to) const {
        float zero = 0;
        float scale = 0;
        load(page, zero, scale);
        float const inverse = scale > 0 ? 1.0F / scale : 0.0F;
        auto const row = packed_bytes(page.dim, grid.bits);
        Code codes[codes_at_a_time];
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += codes_at_a_time) {
                auto const count = page.dim - first < codes_at_a_time ? page.dim - first : codes_at_a_time;
                grid.template quantise<0>(page.vector(t) + first, count, &zero, &inverse, codes);
                pack_codes(grid.bits, codes, count, to[0] + t * row + first * grid.bits / 8);
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
                unpack_codes(grid.bits, from[0] + t * row + first * grid.bits / 8, count, codes);
                grid.template restore<0>(codes, count, &zero, &scale, page.vector(t) + first, page.streaming);
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
