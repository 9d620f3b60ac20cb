// Products of small matrices in double precision: what attention of many queries is made of. Queries stand beside each
// other in lanes, so that one vector instruction serves several of them and a softmax needs no sums across lanes. Highway's
// foreach_target.h includes it once for each target.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

#include "backends/kernels/attention_tiles.hpp"
#include "backends/kernels/floats.hpp"

#if defined(KVSTONE_ATTENTION_PRODUCTS) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_ATTENTION_PRODUCTS
#undef KVSTONE_ATTENTION_PRODUCTS
#else
#define KVSTONE_ATTENTION_PRODUCTS
#endif

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <std::size_t lanes>
using Doubles = hn::CappedTag<double, lanes>;

/// Processors with 32 registers: NEON, AVX-512.
inline constexpr bool many_registers = HWY_ARCH_ARM || hn::MaxLanes(hn::ScalableTag<double>()) == 8;
/// Rows of a product that are summed at once, by two registers each: with what feeds them they fit.
inline constexpr int most_rows = many_registers ? 8 : 6;

/// Memory that will soon be read: while products are computed, it is asked for at `step` bytes a step. Any address is
/// allowed, also past the end of an array.
struct Ahead {
    std::uintptr_t address = 0;
    std::uint64_t step = 0;

    HWY_INLINE void ask(std::uint64_t steps) const {
        __builtin_prefetch(reinterpret_cast<void const*>(address + steps * step), 0, 2);
    }
};

/// out[row][lane] = sum over i of left[row * row_stride + i * inner_stride] * right[i][lane], added to what `out` holds where
/// `onto`. Each sum runs over i in order, whatever else is computed beside it. Products are to be exact.
template <std::size_t lanes, bool onto>
struct Product {
    double const* left;
    std::uint64_t row_stride;
    std::uint64_t inner_stride;
    double const* right;
    std::uint64_t inner;
    double* out;

    static constexpr Doubles<lanes> d{};
    static constexpr int vectors = std::min<int>(2, lanes / hn::MaxLanes(d));
    static constexpr std::size_t together = vectors * hn::MaxLanes(d);

    template <int rows>
    HWY_INLINE void rows_from(std::uint64_t row, std::size_t lane, Ahead const& ahead) const {
        hn::Vec<Doubles<lanes>> sum[rows][vectors];
        auto* const to = out + row * lanes + lane;
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
            for (int v = 0; v < vectors; ++v) {
                sum[r][v] = onto ? hn::Load(d, to + r * lanes + v * hn::MaxLanes(d)) : hn::Zero(d);
            }
        }
        auto const* const first = left + row * row_stride;
        for (std::uint64_t i = 0; i < inner; ++i) {
            ahead.ask(i);
            hn::Vec<Doubles<lanes>> factor[vectors];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; ++v) factor[v] = hn::Load(d, right + i * lanes + lane + v * hn::MaxLanes(d));
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) {
                auto const one = hn::Set(d, first[static_cast<std::uint64_t>(r) * row_stride + i * inner_stride]);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; ++v) {
                    sum[r][v] = hn::MulAdd(one, factor[v], sum[r][v]);
                }
            }
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
            for (int v = 0; v < vectors; ++v) hn::Store(sum[r][v], d, to + r * lanes + v * hn::MaxLanes(d));
        }
    }

    /// `rows` is a multiple of padded_to. Memory is asked for `span` bytes behind ahead.address, all in all.
    HWY_INLINE void all(std::uint64_t rows, std::uintptr_t address, std::uint64_t span) const {
        auto const parts = std::max<std::uint64_t>(1, lanes / together * ((rows + most_rows - 1) / most_rows));
        Ahead ahead{address, span == 0 ? 0 : span / (parts * std::max<std::uint64_t>(1, inner)) + 1};
        for (std::size_t lane = 0; lane < lanes; lane += together) {
            std::uint64_t row = 0;
            auto const next = [&](int done) {
                row += static_cast<std::uint64_t>(done);
                ahead.address += inner * ahead.step;
            };
            for (; row + most_rows <= rows; next(most_rows)) rows_from<most_rows>(row, lane, ahead);
            if constexpr (padded_to % most_rows != 0) {
                if (rows - row >= 4) {
                    rows_from<4>(row, lane, ahead);
                    next(4);
                }
                if (rows - row >= 2) {
                    rows_from<2>(row, lane, ahead);
                    next(2);
                }
            }
        }
    }
};

template <class T>
HWY_INLINE void widen_row(T const* from, std::uint64_t dim, double* to) {
    std::uint64_t c = 0;
    if constexpr (sizeof(T) == sizeof(float)) {
        hn::ScalableTag<double> const d;
        hn::Rebind<float, decltype(d)> const narrow;
        for (; c + hn::Lanes(d) <= dim; c += hn::Lanes(d)) {
            hn::StoreU(hn::PromoteTo(d, hn::LoadU(narrow, from + c)), d, to + c);
        }
    }
    for (; c < dim; ++c) to[c] = static_cast<double>(to_float(from[c]));
}

/// Vectors [token, token + tokens) of a layer and head as doubles, [padded(tokens)][padded(dim)]; what pads is zero.
inline void widen_vectors(KvView const& view, std::uint64_t layer, std::uint64_t head, std::uint64_t token,
                          std::uint64_t tokens, double* wide) {
    auto const dim = view.shape.dim;
    auto const width = padded(dim);
    with_elements(view, [&](auto const span) HWY_ATTR {
        for (std::uint64_t t = 0; t < tokens; ++t) {
            widen_row(span.vector(layer, head, token + t), dim, wide + t * width);
            std::fill(wide + t * width + dim, wide + (t + 1) * width, 0.0);
        }
    });
    std::fill_n(wide + tokens * width, (padded(tokens) - tokens) * width, 0.0);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
