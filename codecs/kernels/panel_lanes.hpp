// Products with keys, their weights, and sums of values, for up to four rows of queries and one block of tokens. Highway's
// foreach_target.h includes it once for each target.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <hwy/highway.h>

#include "codecs/kernels/block_lanes.hpp"

#if defined(KVSTONE_PANEL_LANES) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_PANEL_LANES
#undef KVSTONE_PANEL_LANES
#else
#define KVSTONE_PANEL_LANES
#endif

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

// Sixteen accumulators and what feeds them fit into the 32 registers of 512 bits and of NEON, eight into 16.
constexpr bool many_registers = lanes == 16 || HWY_ARCH_ARM;
constexpr std::size_t lane_pad = 16;

/// 2^x for x <= 0, within 2 units in the last place; 0 below -126. NaN stays NaN.
HWY_INLINE FloatVector power_of_two(FloatVector x) {
    Floats const d;
    Words const dw;
    auto const within = hn::Max(x, hn::Set(d, -150.0F));
    auto const whole = hn::Round(within);
    auto const f = hn::Sub(within, whole);  // exact, |f| <= 1/2
    // Taylor's polynomial of e^(f ln 2): its remainder is 5e-9.
    auto sum = hn::Set(d, 1.5252734e-5F);
    sum = hn::MulAdd(sum, f, hn::Set(d, 1.5403530e-4F));
    sum = hn::MulAdd(sum, f, hn::Set(d, 1.3333558e-3F));
    sum = hn::MulAdd(sum, f, hn::Set(d, 9.6181291e-3F));
    sum = hn::MulAdd(sum, f, hn::Set(d, 5.5504109e-2F));
    sum = hn::MulAdd(sum, f, hn::Set(d, 2.4022651e-1F));
    sum = hn::MulAdd(sum, f, hn::Set(d, 6.9314718e-1F));
    sum = hn::MulAdd(sum, f, hn::Set(d, 1.0F));
    auto const exponent = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(dw, whole), hn::Set(dw, 127)));
    auto const power = hn::IfThenElseZero(hn::Ge(x, hn::Set(d, -126.0F)), hn::Mul(sum, hn::BitCast(d, exponent)));
    return hn::IfThenElse(hn::IsNaN(x), x, power);
}

/// The sum of the blocks of four lanes.
template <class D>
HWY_INLINE auto folded_to_four([[maybe_unused]] D d, hn::Vec<D> vector) {
    if constexpr (hn::MaxLanes(D()) == 4) {
        return vector;
    } else {
        hn::Half<D> const half;
        return folded_to_four(half, hn::Add(hn::LowerHalf(half, vector), hn::UpperHalf(half, vector)));
    }
}

/// Sums of the lanes of four vectors.
HWY_INLINE hn::Vec<hn::FixedTag<float, 4>> sums_of_four(FloatVector a, FloatVector b, FloatVector c, FloatVector e) {
    Floats const d;
    hn::RepartitionToWide<Floats> const dd;
    auto const pairs = [&](FloatVector x, FloatVector y)
                           HWY_ATTR { return hn::Add(hn::InterleaveLower(d, x, y), hn::InterleaveUpper(d, x, y)); };
    auto const low = hn::BitCast(dd, pairs(a, b));
    auto const high = hn::BitCast(dd, pairs(c, e));
    auto const all =
        hn::Add(hn::BitCast(d, hn::InterleaveLower(dd, low, high)), hn::BitCast(d, hn::InterleaveUpper(dd, low, high)));
    return folded_to_four(d, all);
}

/// logits[t][row] of `tokens` tokens from `token` on: products of rows of q, `slots` apart, and keys.
template <int rows, int tokens, class Reader>
HWY_INLINE void multiply_keys(Reader const& reader, std::size_t token, std::size_t steps, float const* q,
                              float* logits) {
    Floats const d;
    auto const slots = steps * step_channels;
    FloatVector sum[tokens * rows];
#pragma GCC unroll 16
    for (int i = 0; i < tokens * rows; ++i) sum[i] = hn::Zero(d);
    for (std::size_t step = 0; step < steps; ++step) {
        Pair key[tokens];
#pragma GCC unroll 8
        for (int t = 0; t < tokens; ++t) key[t] = reader.values(token + t, step);
#pragma GCC unroll 4
        for (int row = 0; row < rows; ++row) {
            auto const* const place = q + row * slots + step * step_channels;
            auto const first = hn::LoadU(d, place);
            auto const second = hn::LoadU(d, place + lanes);
#pragma GCC unroll 8
            for (int t = 0; t < tokens; ++t) {
                auto& of = sum[t * rows + row];
                of = hn::MulAdd(first, key[t].first, of);
                of = hn::MulAdd(second, key[t].second, of);
            }
        }
    }
    if constexpr (tokens * rows % 4 == 0) {
        hn::FixedTag<float, 4> const four;
#pragma GCC unroll 4
        for (int i = 0; i < tokens * rows; i += 4)
            hn::StoreU(sums_of_four(sum[i], sum[i + 1], sum[i + 2], sum[i + 3]), four, logits + token * rows + i);
    } else {
#pragma GCC unroll 4
        for (int i = 0; i < tokens * rows; ++i) logits[token * rows + i] = hn::ReduceSum(d, sum[i]);
    }
}

template <int rows, class Reader>
void multiply_all_keys(Reader const& reader, std::size_t tokens, std::size_t steps, float const* q, bool first_panel,
                       float* logits) {
    constexpr int together = std::min(8, (many_registers ? 16 : 8) / rows);
    std::size_t t = 0;
    for (; t + together <= tokens; t += together) {
        if (first_panel) reader.ask_ahead(t, together);
        multiply_keys<rows, together>(reader, t, steps, q, logits);
    }
    for (; t < tokens; ++t) multiply_keys<rows, 1>(reader, t, steps, q, logits);
}

/// Up to four rows of queries on their way through the tokens.
struct Panel {
    float* q;         ///< [row][slot of K], in units of log 2
    float* folded;    ///< the same times the scales of K's page
    float* bases;     ///< [row] products with the origins of K's page
    double* outputs;  ///< [row][slot of V]
    float* most;      ///< [row]
    double* sums;     ///< [row]
};

/// What a block leaves for its values.
template <int rows>
struct BlockWeights {
    float* weights;     ///< [token][row], and lane_pad places more
    float* scaled;      ///< the same times the scales of V's tokens: [chunk][token][row]
    float* origins;     ///< sums of weights times origins of V's tokens: [row][chunk]
    double kept[rows];  ///< what outputs so far are multiplied by
    float sums[rows];
};

/// Folds lanes, of which every `rows`-th belongs to the same row.
template <int rows, class Fold>
HWY_INLINE void fold_lanes(FloatVector vector, float* of_row, Fold const& fold) {
    alignas(64) float lane[lanes];
    hn::Store(vector, Floats(), lane);
    for (std::size_t i = 0; i < lanes; ++i) of_row[i % rows] = fold(of_row[i % rows], lane[i]);
}

/// Logits to weights relative to the largest logit so far.
template <int rows>
HWY_INLINE void weigh(Panel const& panel, std::size_t tokens, BlockWeights<rows>& block) {
    Floats const d;
    auto const repeated = [&](float const* of_row) HWY_ATTR {
        alignas(64) float lane[lanes];
        for (std::size_t i = 0; i < lanes; ++i) lane[i] = of_row[i % rows];
        return hn::Load(d, lane);
    };
    auto const count = tokens * rows;
    constexpr float least = -std::numeric_limits<float>::infinity();
    std::fill_n(block.weights + count, lane_pad, least);
    auto const bases = repeated(panel.bases);
    auto most = hn::Set(d, least);
    for (std::size_t i = 0; i < count; i += lanes) {
        auto const logits = hn::Add(hn::LoadU(d, block.weights + i), bases);
        most = hn::Max(most, logits);
        hn::StoreU(logits, d, block.weights + i);
    }
    float before[rows];
    std::copy_n(panel.most, rows, before);
    fold_lanes<rows>(most, panel.most, [](float x, float y) { return y > x ? y : x; });
    for (int row = 0; row < rows; ++row)
        block.kept[row] = before[row] == panel.most[row] ? 1 : std::exp2(double{before[row]} - double{panel.most[row]});
    most = repeated(panel.most);
    auto sum = hn::Zero(d);
    for (std::size_t i = 0; i < count; i += lanes) {
        auto const weights = power_of_two(hn::Sub(hn::LoadU(d, block.weights + i), most));
        hn::StoreU(weights, d, block.weights + i);
        sum = hn::Add(sum, weights);
    }
    std::fill_n(block.sums, rows, 0.0F);
    fold_lanes<rows>(sum, block.sums, [](float x, float y) { return x + y; });
    for (int row = 0; row < rows; ++row)
        panel.sums[row] = panel.sums[row] * block.kept[row] + static_cast<double>(block.sums[row]);
}

/// Weights of each chunk: times the scales of V's tokens.
template <int rows>
HWY_INLINE void scale_weights(Side const& v, std::size_t tokens, bool with_zero, BlockWeights<rows>& block) {
    Floats const d;
    alignas(64) std::int32_t of_token[lanes];
    for (std::size_t i = 0; i < lanes; ++i) of_token[i] = static_cast<std::int32_t>(i / rows);
    auto const spread = hn::SetTableIndices(d, of_token);
    auto const spread_at = [&](float const* values)
                               HWY_ATTR { return hn::TableLookupLanes(hn::LoadU(d, values), spread); };
    for (std::size_t chunk = 0; chunk < v.chunks(); ++chunk) {
        auto* const to = block.scaled + chunk * block_stride * rows;
        auto origins = hn::Zero(d);
        for (std::size_t i = 0; i < tokens * rows; i += lanes) {
            auto const weights = hn::LoadU(d, block.weights + i);
            auto const at = chunk * block_stride + i / rows;
            hn::StoreU(hn::Mul(weights, spread_at(v.scales + at)), d, to + i);
            // Weights behind the last token are zero, and so has to be what they meet.
            if (with_zero) origins = hn::MulAdd(weights, spread_at(v.zeros + at), origins);
        }
        float of_row[rows] = {};
        if (with_zero) fold_lanes<rows>(origins, of_row, [](float x, float y) { return x + y; });
        for (int row = 0; row < rows; ++row) block.origins[row * v.chunks() + chunk] = of_row[row];
    }
}

/// Adds a vector of sums to outputs, which are multiplied by `kept`.
HWY_INLINE void add_to_outputs(FloatVector sum, double kept, double* outputs) {
    hn::Half<Floats> const half;
    hn::Rebind<double, hn::Half<Floats>> const dd;
    auto const factor = hn::Set(dd, kept);
    auto const add = [&](auto part, double* place) HWY_ATTR {
        hn::StoreU(hn::MulAdd(hn::LoadU(dd, place), factor, hn::PromoteTo(dd, part)), dd, place);
    };
    add(hn::LowerHalf(half, sum), outputs);
    add(hn::UpperHalf(half, sum), outputs + lanes / 2);
}

/// Adds values of `pairs` steps from `step` on, times their weights, to the outputs of a panel.
template <int rows, int pairs, class Reader>
HWY_INLINE void add_values(Reader const& reader, Side const& v, std::size_t step, std::size_t tokens, bool ask,
                           BlockWeights<rows> const& block, double* outputs) {
    Floats const d;
    FloatVector first[rows * pairs], second[rows * pairs];
#pragma GCC unroll 16
    for (int i = 0; i < rows * pairs; ++i) first[i] = second[i] = hn::Zero(d);
    constexpr std::size_t steps_of_chunk = chunk_channels / step_channels;
    for (std::size_t t = 0; t < tokens; ++t) {
        if (ask) reader.ask_ahead(t, 1);
#pragma GCC unroll 4
        for (int pair = 0; pair < pairs; ++pair) {
            auto const value = reader.codes(t, step + pair);
            float const* weights = block.weights;
            if constexpr (Reader::by_token)
                weights = block.scaled + (step + pair) / steps_of_chunk * block_stride * rows;
#pragma GCC unroll 4
            for (int row = 0; row < rows; ++row) {
                auto const weight = hn::Set(d, weights[t * rows + row]);
                auto const i = pair * rows + row;
                first[i] = hn::MulAdd(weight, value.first, first[i]);
                second[i] = hn::MulAdd(weight, value.second, second[i]);
            }
        }
    }
    // Through memory, once a block: arrays of vectors stay in registers only where every index is known to the compiler.
    alignas(64) float sums[2 * rows * pairs * lanes];
#pragma GCC unroll 16
    for (int i = 0; i < rows * pairs; ++i) {
        hn::Store(first[i], d, sums + 2 * i * lanes);
        hn::Store(second[i], d, sums + (2 * i + 1) * lanes);
    }
    for (int i = 0; i < 2 * rows * pairs; ++i) {
        int const row = i / 2 % rows;
        auto const slot = (step + i / 2 / rows) * step_channels + i % 2 * lanes;
        auto sum = hn::Load(d, sums + i * lanes);
        if constexpr (Reader::with_zero) {
            sum = hn::Add(sum, hn::Set(d, block.origins[row * v.chunks() + slot / chunk_channels]));
        } else if (v.by_page()) {
            auto const origin = hn::Mul(hn::LoadU(d, v.page_zeros + slot), hn::Set(d, block.sums[row]));
            sum = hn::MulAdd(sum, hn::LoadU(d, v.page_scales + slot), origin);
        }
        add_to_outputs(sum, block.kept[row], outputs + row * v.slots + slot);
    }
}

template <int rows, class Reader>
void add_all_values(Reader const& reader, Side const& v, std::size_t tokens, bool first_panel,
                    BlockWeights<rows> const& block, double* outputs) {
    constexpr int together = std::min(4, (many_registers ? 8 : 4) / rows);
    std::size_t step = 0;
    bool ask = first_panel;
    for (; step + together <= v.steps(); step += together) {
        add_values<rows, together>(reader, v, step, tokens, ask, block, outputs);
        ask = false;
    }
    for (; step < v.steps(); ++step) {
        add_values<rows, 1>(reader, v, step, tokens, ask, block, outputs);
        ask = false;
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
