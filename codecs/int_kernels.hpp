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
    UniformGrid grid;
    std::uint64_t group;  ///< a multiple of 8, or the vector

    KOKKOS_INLINE_FUNCTION std::uint64_t size() const { return fixed > 0 ? fixed : group; }
    /// Tokens of a page.
    static std::uint64_t tokens_at_a_time(std::uint64_t dim, std::uint64_t group) {
        auto const groups = (dim + group - 1) / group;
        return groups > groups_at_a_time ? 1 : std::min<std::uint64_t>(groups_at_a_time / groups, 16);
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, IntPlaces const& to) const {
        auto const groups = (page.dim + size() - 1) / size();
        auto const tokens = page.tokens;
        for (std::uint64_t g = 0; g < groups; g += groups_at_a_time) {
            auto const now = groups - g < groups_at_a_time ? groups - g : groups_at_a_time;
            float least[groups_at_a_time];
            float most[groups_at_a_time];
            GridSteps steps;
            for (std::uint64_t t = 0; t < tokens; ++t) ends(page.vector(t), page.dim, g, now, t * now, least, most);
            // Where a page has several tokens, this is all of their groups, and g is 0.
            grid.store(least, most, tokens * now, to[1] + g * scale_bytes(grid.format),
                       to[2] + g * grid.zero_bytes_of_group(), steps);
            auto const row = packed_bytes(page.dim, grid.bits);
            for (std::uint64_t t = 0; t < tokens; ++t) {
                code(page.vector(t), page.dim, g, now, t * now, steps, to[0] + t * row);
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void ends(T const* values, std::uint64_t dim, std::uint64_t first, std::uint64_t groups,
                                     std::uint64_t at, float* least, float* most) const {
        for (std::uint64_t g = 0; g < groups; ++g) {
            auto const from = (first + g) * size();
            if (from + size() <= dim) {
                grid.range(values + from, size(), least[at + g], most[at + g]);
            } else {
                grid.range(values + from, dim - from, least[at + g], most[at + g]);
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void code(T const* values, std::uint64_t dim, std::uint64_t first, std::uint64_t groups,
                                     std::uint64_t at, GridSteps const& steps, std::byte* row) const {
        Code codes[codes_at_a_time];
        std::uint64_t held = 0;
        auto begin = first * size();
        for (std::uint64_t g = 0; g < groups; ++g) {
            auto const* const zero = steps.zero + at + g;
            auto const* const inverse = steps.inverse + at + g;
            auto const from = (first + g) * size();
            if (fixed > 0 && from + fixed <= dim) {
                grid.quantise<0>(values + from, fixed, zero, inverse, codes + held);
                held += fixed;
            } else {
                auto left = dim - from < size() ? dim - from : size();
                for (auto at_value = from; left > 0;) {
                    auto const now = codes_at_a_time - held < left ? codes_at_a_time - held : left;
                    grid.quantise<0>(values + at_value, now, zero, inverse, codes + held);
                    at_value += now;
                    left -= now;
                    held += now;
                    if (held == codes_at_a_time) flush(codes, held, begin, row);
                }
            }
            if (held == codes_at_a_time) flush(codes, held, begin, row);
        }
        flush(codes, held, begin, row);
    }
    KOKKOS_INLINE_FUNCTION void flush(Code const* codes, std::uint64_t& held, std::uint64_t& begin,
                                      std::byte* row) const {
        pack_codes(grid.bits, codes, held, row + begin * grid.bits / 8);
        begin += held;
        held = 0;
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
                decode(from[0] + t * row, page.dim, g, now, t * now, steps, page.vector(t));
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void decode(std::byte const* row, std::uint64_t dim, std::uint64_t first,
                                       std::uint64_t groups, std::uint64_t at, GridSteps const& steps,
                                       T* values) const {
        Code codes[codes_at_a_time];
        auto const end = (first + groups) * size() < dim ? (first + groups) * size() : dim;
        for (auto from = first * size(); from < end; from += codes_at_a_time) {
            auto const count = end - from < codes_at_a_time ? end - from : codes_at_a_time;
            unpack_codes(grid.bits, row + from * grid.bits / 8, count, codes);
            for (std::uint64_t done = 0; done < count;) {
                auto const g = (from + done) / size();
                auto const left = (g + 1) * size() - from - done;
                auto const* const zero = steps.zero + at + g - first;
                auto const* const scale = steps.scale + at + g - first;
                if (fixed > 0 && left == fixed && count - done >= fixed) {
                    grid.restore<0>(codes + done, fixed, zero, scale, values + from + done);
                    done += fixed;
                } else {
                    auto const now = count - done < left ? count - done : left;
                    grid.restore<0>(codes + done, now, zero, scale, values + from + done);
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
            float low[groups_at_a_time];
            float high[groups_at_a_time];
            channel_ends(page, first, count, low, high);
            GridSteps steps;
            grid.store(low, high, count, to[1] + first * scale_bytes(grid.format),
                       to[2] + first * grid.zero_bytes_of_group(), steps);
            Code codes[codes_at_a_time];
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                grid.quantise<1>(page.vector(t) + first, count, steps.zero, steps.inverse, codes);
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
                grid.restore<1>(codes, count, steps.zero, steps.scale, page.vector(t) + first);
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
                grid.quantise<0>(page.vector(t) + first, count, &zero, &inverse, codes);
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
                grid.restore<0>(codes, count, &zero, &scale, page.vector(t) + first);
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
