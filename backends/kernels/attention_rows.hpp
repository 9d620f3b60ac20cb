// Products with keys and sums of values for up to four queries: channels stand beside each other in lanes, so that every
// register of keys and values is used up at once, as it comes from memory. Highway's foreach_target.h includes it once for
// each target.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

#include "backends/kernels/attention_products.hpp"

#if defined(KVSTONE_ATTENTION_ROWS) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_ATTENTION_ROWS
#undef KVSTONE_ATTENTION_ROWS
#else
#define KVSTONE_ATTENTION_ROWS
#endif

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Channels that are summed beside each other, and the registers they take.
inline constexpr std::size_t partial_sums = 8;
using Parts = Doubles<partial_sums>;
using PartVector = hn::Vec<Parts>;
inline constexpr std::size_t part_lanes = hn::MaxLanes(Parts());
inline constexpr int part_vectors = partial_sums / part_lanes;
/// Registers of sums at once.
inline constexpr int most_sums = many_registers ? 16 : 8;
/// Lanes of their softmaxes: products and weights are [token][row].
inline constexpr std::size_t row_lanes = AttentionTiles::few;

/// Vectors of floats of a block of tokens, and those of a later block, which are asked for meanwhile: for the second-level
/// cache, because more requests of that kind can be under way at a time.
struct FloatRows {
    float const* first;
    std::size_t stride;
    std::uintptr_t next;
    std::size_t next_stride_bytes;
    std::size_t next_bytes;  ///< of a value

    HWY_INLINE PartVector load(std::size_t token, std::size_t channel) const {
        hn::Rebind<float, Parts> const narrow;
        return hn::PromoteTo(Parts(), hn::LoadU(narrow, first + token * stride + channel));
    }
    HWY_INLINE void ask_ahead(std::size_t token, std::size_t channel) const {
        __builtin_prefetch(reinterpret_cast<void const*>(next + token * next_stride_bytes + channel * next_bytes), 0,
                           2);
    }
};

/// The sum of part_vectors vectors: lanes i and i + 4, of those i and i + 2, of those the two.
template <class D>
HWY_INLINE double sum_of_lanes([[maybe_unused]] D d, hn::Vec<D> vector) {
    if constexpr (hn::MaxLanes(D()) == 2) {
        return hn::GetLane(vector) + hn::ExtractLane(vector, 1);
    } else {
        hn::Half<D> const half;
        return sum_of_lanes(half, hn::Add(hn::LowerHalf(half, vector), hn::UpperHalf(half, vector)));
    }
}
HWY_INLINE double sum_of_parts(PartVector const* sum) {
    Parts const d;
    if constexpr (part_vectors == 1) return sum_of_lanes(d, sum[0]);
    if constexpr (part_vectors == 2) return sum_of_lanes(d, hn::Add(sum[0], sum[1]));
    if constexpr (part_vectors == 4) {
        return sum_of_lanes(d, hn::Add(hn::Add(sum[0], sum[2]), hn::Add(sum[1], sum[3])));
    }
}

/// products[t][row] = q[row] . key t, of `tokens` tokens from `token` on.
template <int rows, int tokens>
HWY_INLINE void multiply_keys(FloatRows const& keys, std::size_t token, std::size_t width, double const* q,
                              double* products) {
    Parts const d;
    PartVector sum[tokens][rows][part_vectors];
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 4
        for (int row = 0; row < rows; ++row) {
#pragma GCC unroll 4
            for (int v = 0; v < part_vectors; ++v) sum[t][row][v] = hn::Zero(d);
        }
    }
    for (std::size_t c = 0; c < width; c += partial_sums) {
        if (c % 16 == 0) {
#pragma GCC unroll 8
            for (int t = 0; t < tokens; ++t) keys.ask_ahead(token + t, c);
        }
#pragma GCC unroll 4
        for (int v = 0; v < part_vectors; ++v) {
            auto const channel = c + v * part_lanes;
            PartVector key[tokens];
#pragma GCC unroll 8
            for (int t = 0; t < tokens; ++t) key[t] = keys.load(token + t, channel);
#pragma GCC unroll 4
            for (int row = 0; row < rows; ++row) {
                auto const query = hn::Load(d, q + row * width + channel);
#pragma GCC unroll 8
                for (int t = 0; t < tokens; ++t) sum[t][row][v] = hn::MulAdd(key[t], query, sum[t][row][v]);
            }
        }
    }
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 4
        for (int row = 0; row < rows; ++row) products[(token + t) * rows + row] = sum_of_parts(sum[t][row]);
    }
}

template <int rows>
HWY_INLINE void multiply_all_keys(FloatRows const& keys, std::size_t tokens, std::size_t width, double const* q,
                                  double* products) {
    constexpr int together = std::clamp(most_sums / (rows * part_vectors), 1, 8);
    std::size_t t = 0;
    for (; t + together <= tokens; t += together) multiply_keys<rows, together>(keys, t, width, q, products);
    if constexpr (together > 1) {
        for (; t < tokens; ++t) multiply_keys<rows, 1>(keys, t, width, q, products);
    }
}

/// outputs[row][channel] = kept[row] outputs[row][channel] + sum over t of weights[t][row] values[t][channel], tokens in order,
/// for `vectors` registers of channels.
template <int rows, int vectors>
HWY_INLINE void add_values(FloatRows const& values, std::size_t tokens, std::size_t channel, std::size_t width,
                           double const* weights, double const* kept, double* outputs) {
    Parts const d;
    PartVector sum[rows][vectors];
#pragma GCC unroll 4
    for (int row = 0; row < rows; ++row) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) {
            sum[row][v] = hn::Mul(hn::Load(d, outputs + row * width + channel + v * part_lanes), hn::Set(d, kept[row]));
        }
    }
    for (std::size_t t = 0; t < tokens; ++t) {
#pragma GCC unroll 8
        for (std::size_t c = 0; c < vectors * part_lanes; c += 16) values.ask_ahead(t, channel + c);
        PartVector value[vectors];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) value[v] = values.load(t, channel + v * part_lanes);
#pragma GCC unroll 4
        for (int row = 0; row < rows; ++row) {
            auto const weight = hn::Set(d, weights[t * rows + row]);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) sum[row][v] = hn::MulAdd(weight, value[v], sum[row][v]);
        }
    }
#pragma GCC unroll 4
    for (int row = 0; row < rows; ++row) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) {
            hn::Store(sum[row][v], d, outputs + row * width + channel + v * part_lanes);
        }
    }
}

template <int rows>
HWY_INLINE void add_all_values(FloatRows const& values, std::size_t tokens, std::size_t width, double const* weights,
                               double const* kept, double* outputs) {
    constexpr int together = std::clamp(most_sums / rows, part_vectors, 8);
    std::size_t channel = 0;
    for (; channel + together * part_lanes <= width; channel += together * part_lanes) {
        add_values<rows, together>(values, tokens, channel, width, weights, kept, outputs);
    }
    for (; channel < width; channel += partial_sums) {
        add_values<rows, part_vectors>(values, tokens, channel, width, weights, kept, outputs);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
