#pragma once
// Kernels of the k-means quantiser: ranges, samples for its levels, and codes by vector and by channel.

#include <array>
#include <cmath>
#include <cstdint>

#include "backends/kernels/map_pages.hpp"
#include "backends/kernels/table_lookup.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/kmeans.hpp"
#include "codecs/kernels/level_table.hpp"
#include "codecs/kernels/pages/table_pages.hpp"
#include "codecs/kernels/quantile.hpp"
#include "codecs/kernels/scales.hpp"

namespace kvstone {

/// The levels of one layer, as kernels read them.
struct NuqLevels {
    float levels[1U << most_kmeans_bits];
    float thresholds[searched_thresholds];

    /// Of 2^bits levels.
    KOKKOS_INLINE_FUNCTION void set(unsigned bits, float const* from) {
        std::uint32_t const count = 1U << bits;
        for (std::uint32_t k = 0; k < 1U << most_kmeans_bits; ++k) levels[k] = k < count ? from[k] : 0.0F;
        for (std::uint32_t k = 0; k < searched_thresholds; ++k) {
            thresholds[k] = k + 1 < count ? (from[k] + from[k + 1]) / 2 : INFINITY;
        }
    }
};

/// Origin and half width of a range as stored.
struct NuqRange {
    float zero;
    float scale;

    KOKKOS_INLINE_FUNCTION float inverse() const { return scale > 0 ? 1.0F / scale : 0.0F; }
    KOKKOS_INLINE_FUNCTION static NuqRange store(float low, float high, std::byte* scale_place, std::byte* zero_place) {
        float zero = low / 2 + high / 2;
        store_halves(&zero, 1, zero_place);
        float const above = high - zero;
        float const below = zero - low;
        float scale = above > below ? above : below;
        store_halves(&scale, 1, scale_place);
        return {zero, scale};
    }
    KOKKOS_INLINE_FUNCTION static NuqRange load(std::byte const* scale_place, std::byte const* zero_place) {
        return {to_float(get_as<Float16>(zero_place)), to_float(get_as<Float16>(scale_place))};
    }
    KOKKOS_INLINE_FUNCTION float normalised(float value, float by) const {
        return ((value == value ? value : 0.0F) - zero) * by;
    }
};

KOKKOS_INLINE_FUNCTION std::uint32_t kmeans_bin(float normalised) {
    float bin = (normalised + 1) * (kmeans_bins / 2);
    bin = bin > 0 ? bin : 0.0F;
    bin = bin < kmeans_bins - 1 ? bin : static_cast<float>(kmeans_bins - 1);
    return static_cast<std::uint32_t>(bin);
}

/// Tokens of a page.
inline constexpr std::uint64_t nuq_tokens = 16;

/// The vectors of a page, each as one block.
template <class T>
inline BlockRows nuq_rows(Page<T> const& page) {
    return {page.values, page.stride, page.tokens, page.dim, page.dim};
}

/// One range a vector.
struct NuqByToken {
    static constexpr bool whole_lines = true;

    unsigned bits;
    NuqLevels const* of_layers;

    template <class T>
    KOKKOS_INLINE_FUNCTION static NuqRange range_of(T const* values, std::uint64_t dim, std::byte* scale,
                                                    std::byte* zero) {
        float low = 0;
        float high = 0;
        finite_ends(values, dim, low, high);
        return NuqRange::store(low, high, scale, zero);
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 3> const& to) const {
        auto const& levels = of_layers[page.layer];
        float normalised[levels_at_a_time];
        std::uint8_t codes[levels_at_a_time];
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            auto const range =
                range_of(page.vector(t), page.dim, to[1] + t * sizeof(Float16), to[2] + t * sizeof(Float16));
            float const inverse = range.inverse();
            auto* const row = to[0] + t * packed_bytes(page.dim, bits);
            for (std::uint64_t first = 0; first < page.dim; first += levels_at_a_time) {
                auto const count = page.dim - first < levels_at_a_time ? page.dim - first : levels_at_a_time;
                auto const* const values = page.vector(t) + first;
                for (std::uint64_t i = 0; i < count; ++i) {
                    normalised[i] = range.normalised(to_float(values[i]), inverse);
                }
                count_below(bits, levels.thresholds, normalised, count, codes);
                pack_codes(bits, codes, count, row + first * bits / 8);
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 3> const& from, Page<T> const& page) const {
        auto const& levels = of_layers[page.layer];
        float restored[levels_at_a_time];
        std::uint8_t codes[levels_at_a_time];
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            auto const range = NuqRange::load(from[1] + t * sizeof(Float16), from[2] + t * sizeof(Float16));
            auto const* const row = from[0] + t * packed_bytes(page.dim, bits);
            for (std::uint64_t first = 0; first < page.dim; first += levels_at_a_time) {
                auto const count = page.dim - first < levels_at_a_time ? page.dim - first : levels_at_a_time;
                unpack_codes(bits, row + first * bits / 8, count, codes);
                look_up(levels.levels, range.scale, codes, count, restored);
                auto* const values = page.vector(t) + first;
                for (std::uint64_t i = 0; i < count; ++i) values[i] = nearest_element<T>(range.zero + restored[i]);
            }
        }
    }
    void encode_page(Page<float const> const& page, std::array<std::byte*, 3> const& to) const {
        auto const& levels = of_layers[page.layer];
        float zeros[nuq_tokens];
        float inverses[nuq_tokens];
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            auto const place = t * sizeof(Float16);
            auto const range = range_of(page.vector(t), page.dim, to[1] + place, to[2] + place);
            zeros[t] = range.zero;
            inverses[t] = range.inverse();
        }
        code_by_levels({bits, levels.levels, levels.thresholds}, nuq_rows(page), {zeros, inverses, false}, to[0],
                       nullptr);
    }
    void decode_page(std::array<std::byte const*, 3> const& from, Page<float> const& page) const {
        auto const& levels = of_layers[page.layer];
        float zeros[nuq_tokens];
        float scales[nuq_tokens];
        load_scales(ScaleFormat::fp16, from[2], page.tokens, zeros);
        load_scales(ScaleFormat::fp16, from[1], page.tokens, scales);
        restore_by_levels({bits, levels.levels, levels.thresholds}, nuq_rows(page), {zeros, scales, false}, from[0],
                          page.values, page.streaming);
    }
};

/// Ranges as rows of one origin and one factor a channel: 1 / s where values are coded, s where they are restored.
struct NuqByChannel {
    static constexpr bool whole_lines = true;

    unsigned bits;
    NuqLevels const* of_layers;
    float const* zeros;
    float const* factors;
    std::uint64_t heads;  ///< of a layer
    std::uint64_t row;    ///< values from one head's row to the next; 0 where all share one

    template <class T>
    KOKKOS_INLINE_FUNCTION std::uint64_t row_of(Page<T> const& page) const {
        return (page.layer * heads + page.head) * row;
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 1> const& to) const {
        auto const& levels = of_layers[page.layer];
        float normalised[levels_at_a_time];
        std::uint8_t codes[levels_at_a_time];
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += levels_at_a_time) {
                auto const count = page.dim - first < levels_at_a_time ? page.dim - first : levels_at_a_time;
                auto const* const values = page.vector(t) + first;
                auto const* const zero = zeros + row_of(page) + first;
                auto const* const inverse = factors + row_of(page) + first;
                for (std::uint64_t i = 0; i < count; ++i) {
                    normalised[i] = NuqRange{zero[i], 0}.normalised(to_float(values[i]), inverse[i]);
                }
                count_below(bits, levels.thresholds, normalised, count, codes);
                pack_codes(bits, codes, count, to[0] + t * packed_bytes(page.dim, bits) + first * bits / 8);
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 1> const& from, Page<T> const& page) const {
        auto const& levels = of_layers[page.layer];
        float restored[levels_at_a_time];
        std::uint8_t codes[levels_at_a_time];
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += levels_at_a_time) {
                auto const count = page.dim - first < levels_at_a_time ? page.dim - first : levels_at_a_time;
                unpack_codes(bits, from[0] + t * packed_bytes(page.dim, bits) + first * bits / 8, count, codes);
                look_up(levels.levels, 1.0F, codes, count, restored);
                auto* const values = page.vector(t) + first;
                auto const* const zero = zeros + row_of(page) + first;
                auto const* const scale = factors + row_of(page) + first;
                for (std::uint64_t i = 0; i < count; ++i) {
                    values[i] = nearest_element<T>(zero[i] + restored[i] * scale[i]);
                }
            }
        }
    }
    void encode_page(Page<float const> const& page, std::array<std::byte*, 1> const& to) const {
        auto const& levels = of_layers[page.layer];
        code_by_levels({bits, levels.levels, levels.thresholds}, nuq_rows(page),
                       {zeros + row_of(page), factors + row_of(page), true}, to[0], nullptr);
    }
    void decode_page(std::array<std::byte const*, 1> const& from, Page<float> const& page) const {
        auto const& levels = of_layers[page.layer];
        restore_by_levels({bits, levels.levels, levels.thresholds}, nuq_rows(page),
                          {zeros + row_of(page), factors + row_of(page), true}, from[0], page.values, page.streaming);
    }
};

struct Count {
    std::uint32_t* counts;
    KOKKOS_INLINE_FUNCTION void operator()(std::uint32_t bin) const { ++counts[bin]; }
};
struct AtomicCount {
    std::uint32_t* counts;
    KOKKOS_INLINE_FUNCTION void operator()(std::uint32_t bin) const { Kokkos::atomic_inc(&counts[bin]); }
};

/// The bins of sampled vectors of a layer.
template <class T>
struct SampledBins {
    KvSpan<T const> values;
    std::uint64_t layer;
    std::uint64_t samples;
    bool by_token;
    NuqByChannel rows;  ///< of 1 / s, unless by token

    /// add(bin) for every finite value of sample i.
    template <class Add>
    KOKKOS_INLINE_FUNCTION void operator()(std::uint64_t i, Add const& add) const {
        auto const& shape = values.shape;
        auto const vector = sample_index(i, samples, shape.heads * shape.tokens);
        auto const head = vector / shape.tokens;
        auto const* const from = values.vector(layer, head, vector % shape.tokens);
        NuqRange range{0, 0};
        if (by_token) {
            std::byte places[2 * sizeof(Float16)];
            range = NuqByToken::range_of(from, shape.dim, places, places + sizeof(Float16));
        }
        float by = range.inverse();
        auto const row = (layer * shape.heads + head) * rows.row;
        for (std::uint64_t c = 0; c < shape.dim; ++c) {
            auto const value = to_float(from[c]);
            if (!by_token) {
                by = rows.factors[row + c];
                range.zero = rows.zeros[row + c];
            }
            if (value - value == 0) add(kmeans_bin(range.normalised(value, by)));
        }
    }
};

/// Where channel_ranges() leaves what it finds.
struct StoreChannelRange {
    std::byte* scales;
    std::byte* zeros;

    KOKKOS_INLINE_FUNCTION void operator()(std::uint64_t channel, float low, float high) const {
        NuqRange::store(low, high, scales + channel * sizeof(Float16), zeros + channel * sizeof(Float16));
    }
};

}  // namespace kvstone
