#pragma once
// Kernels of the 4-bit NormalFloat quantiser: codes of blocks, and of the scales of superblocks.

#include <algorithm>
#include <array>
#include <cstdint>

#include "backends/kernels/map_pages.hpp"
#include "backends/kernels/sixteen_groups.hpp"
#include "backends/kernels/table_lookup.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/scales.hpp"
#include "codecs/kernels/stored_rows.hpp"

namespace kvstone {

inline constexpr std::uint64_t coded_tokens = 16;

/// How blocks make superblocks.
struct Superblocks {
    std::uint64_t blocks_of_vector;
    std::uint64_t tokens;         ///< of a page: the vectors that share superblocks
    std::uint64_t of_page;        ///< superblocks
    std::uint64_t pages_of_head;  ///< the last page may have fewer tokens
    std::uint64_t heads;          ///< of a layer

    Superblocks(KvShape const& shape, std::uint64_t block)
        : blocks_of_vector((shape.dim + block - 1) / block),
          tokens(std::max<std::uint64_t>(1, blocks_of_superblock / blocks_of_vector)),
          of_page((tokens * blocks_of_vector + blocks_of_superblock - 1) / blocks_of_superblock),
          pages_of_head((shape.tokens + tokens - 1) / tokens),
          heads(shape.heads) {}

    KOKKOS_INLINE_FUNCTION std::uint64_t of(std::uint64_t layer, std::uint64_t head, std::uint64_t token,
                                            std::uint64_t block) const {
        auto const page = (layer * heads + head) * pages_of_head + token / tokens;
        return page * of_page + (of_page > 1 ? block / blocks_of_superblock : 0);
    }
};

/// Codes of the scales of a superblock; returns what they are multiples of.
KOKKOS_INLINE_FUNCTION float code_scales(float const* scales, std::uint64_t count, std::uint8_t* codes) {
    float most = 0;
    for (std::uint64_t b = 0; b < count; ++b) most = scales[b] > most ? scales[b] : most;
    // A little below the largest float, so that 255 steps are finite.
    float const step = (most < 0x1.fffff0p127F ? most : 0x1.fffff0p127F) / 255.0F;
    for (std::uint64_t b = 0; b < count; ++b) {
        float const code = step > 0 ? scales[b] / step + 0.5F : 0.0F;
        codes[b] = static_cast<std::uint8_t>(code < 255.0F ? code : 255.0F);
    }
    return step;
}

/// A page is coded_tokens where it is coded, and one token where it is restored. fixed: the block where it is known when
/// compiling, else 0.
template <unsigned fixed>
struct NormalFloat {
    static constexpr bool whole_lines = true;

    float levels[least_table_entries];
    float thresholds[searched_thresholds];
    ThresholdBins bins;
    ScaleFormat format;
    std::uint64_t block;
    Superblocks superblocks;
    float const* steps;  ///< of superblocks, where scales are coded

    KOKKOS_INLINE_FUNCTION std::uint64_t size() const { return fixed > 0 ? fixed : block; }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 2> const& to) const {
        if constexpr (fixed > 0) {
            if (page.dim % fixed == 0) return encode_together(page, to);
        }
        auto const row = packed_bytes(page.dim, 4);
        for (std::uint64_t t = 0, b = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += size(), ++b) {
                auto const* const values = page.vector(t) + first;
                auto const count = page.dim - first < size() ? page.dim - first : size();
                auto const scale =
                    store_scale(format, largest_magnitude(values, count), to[1] + b * scale_bytes(format));
                code_block(values, count, scale > 0 ? 1.0F / scale : 0.0F, to[0] + t * row + first / 2);
            }
        }
    }
    /// Codes of values of blocks, with the factor of each.
    struct Codes {
        static constexpr bool with_sign = false;
        float const* thresholds;
        float const* inverses;
#ifdef KVSTONE_WIDE_LANES
        BinsInRegisters bins;

        __m512i operator()(std::uint64_t b, __m512 values) const {
            return bins(_mm512_mul_ps(values, _mm512_set1_ps(inverses[b])));
        }
#endif
        KOKKOS_INLINE_FUNCTION static std::uint32_t mask() { return 15; }
        KOKKOS_FORCEINLINE_FUNCTION std::uint32_t operator()(std::uint64_t b, float value) const {
            return thresholds_below<4>(thresholds, value * inverses[b]);
        }
    };
    /// Sixteen blocks at a time, each with all of its values.
    template <class T>
    KOKKOS_INLINE_FUNCTION void encode_together(Page<T const> const& page, std::array<std::byte*, 2> const& to) const {
        GroupPlaces<T const> const places(page.values, page.stride, page.dim / fixed, fixed);
        using Blocks = SixteenGroups<fixed, T const>;
        float inverses[2][groups_together];
        auto const range = [&](std::uint64_t b, unsigned slot, Blocks const& now, Blocks const& ahead) {
            float scales[groups_together] = {};
            now.magnitudes(ahead, scales);
            if (now.count == groups_together) {
                store_scales(format, scales, groups_together, to[1] + b * scale_bytes(format));
            } else {
                store_scales(format, scales, now.count, to[1] + b * scale_bytes(format));
            }
            for (std::uint64_t k = 0; k < groups_together; ++k) {
                float const inverse = 1.0F / scales[k];
                inverses[slot][k] = scales[k] > 0 ? inverse : 0.0F;
            }
        };
        auto const code = [&](std::uint64_t b, unsigned slot, Blocks const& now, Blocks const& ahead) {
            std::uint8_t codes[groups_together * fixed];
#ifdef KVSTONE_WIDE_LANES
            now.codes(Codes{thresholds, inverses[slot], BinsInRegisters(bins)}, ahead, codes);
#else
            now.codes(Codes{thresholds, inverses[slot]}, ahead, codes);
#endif
            pack_bytes<4>(codes, now.count * fixed, to[0] + b * fixed / 2);
        };
        sixteen_at_a_time<fixed>(places, page.tokens * (page.dim / fixed), range, code);
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 2> const& from, Page<T> const& page) const {
        for (std::uint64_t first = 0, b = 0; first < page.dim; first += size(), ++b) {
            auto const* const packed = from[0] + first / 2;
            bool const lines = page.streaming && first % line_values<T> == 0;
            float const scale = steps != nullptr ? static_cast<float>(from[1][b]) *
                                                       steps[superblocks.of(page.layer, page.head, page.token, b)]
                                                 : load_scale(format, from[1] + b * scale_bytes(format));
            if (page.dim - first >= size()) {
                restore_block(packed, scale, size(), page.values + first, lines);
            } else {
                restore_block(packed, scale, page.dim - first, page.values + first, lines);
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void code_block(T const* values, std::uint64_t count, float inverse,
                                           std::byte* packed) const {
        std::uint8_t codes[part];
        for (std::uint64_t first = 0; first < count; first += part) {
            auto const now = count - first < part ? count - first : part;
            count_scaled_below<4>(thresholds, bins, inverse, values + first, now, codes);
            pack_bytes<4>(codes, now, packed + first / 2);
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void restore_block(std::byte const* packed, float scale, std::uint64_t count, T* values,
                                              bool streaming) const {
        std::uint8_t codes[part];
        for (std::uint64_t first = 0; first < count; first += part) {
            auto const now = count - first < part ? count - first : part;
            unpack_bytes<4>(packed + first / 2, now, codes);
            look_up(4, levels, scale, codes, now, values + first, streaming);
        }
    }

  private:
    /// Values that are worked on at a time.
    static constexpr std::uint64_t part = fixed > 0 ? fixed : 64;
};

}  // namespace kvstone
