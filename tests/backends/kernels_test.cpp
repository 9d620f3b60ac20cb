// Runs, value-by-value maps and ranges over views of every shape.

#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "backends/kernels/map_values.hpp"
#include "backends/kernels/reduce_values.hpp"
#include "backends/spaces.hpp"

namespace kvstone {

struct Negate {
    KOKKOS_INLINE_FUNCTION float operator()(float value) const { return -value; }
};

namespace {

using Space = Kokkos::DefaultHostExecutionSpace;

struct Layout {
    KvShape shape;
    KvStrides strides;
};

/// Packed, a token range of a packed tensor, and heads beside each other within a token.
std::vector<Layout> layouts() {
    std::vector<Layout> all;
    for (KvShape const shape : {KvShape{1, 1, 1, 1}, KvShape{2, 3, 5, 1}, KvShape{2, 3, 7, 64}, KvShape{1, 2, 301, 80},
                                KvShape{2, 1, 257, 256}, KvShape{1, 1, 20000, 128}}) {
        all.push_back({shape, KvStrides::packed(shape)});
        auto const longer = shape.tokens + 3;
        all.push_back({shape, {shape.heads * longer * shape.dim, longer * shape.dim, shape.dim}});
        all.push_back({shape, {shape.heads * shape.tokens * shape.dim, shape.dim, shape.heads * shape.dim}});
    }
    return all;
}

std::uint64_t extent(Layout const& layout) {
    auto const& [shape, strides] = layout;
    return (shape.layers - 1) * strides.layer + (shape.heads - 1) * strides.head + (shape.tokens - 1) * strides.token +
           shape.dim;
}

template <class Visit>
void each_value(Layout const& layout, Visit const& visit) {
    auto const& [shape, strides] = layout;
    std::uint64_t packed = 0;
    for (std::uint64_t l = 0; l < shape.layers; ++l)
        for (std::uint64_t h = 0; h < shape.heads; ++h)
            for (std::uint64_t t = 0; t < shape.tokens; ++t)
                for (std::uint64_t c = 0; c < shape.dim; ++c)
                    visit(packed++, l * strides.layer + h * strides.head + t * strides.token + c);
}

TEST(Kernels, MapToPackedReadsEveryValueInOrder) {
    for (auto const& layout : layouts()) {
        std::vector<float> values(extent(layout));
        std::iota(values.begin(), values.end(), 1.0F);
        std::vector<float> packed(layout.shape.values(), 0);
        map_to_packed(Space(), KvSpan<float const>{values.data(), layout.shape, layout.strides}, packed.data(),
                      Negate{});
        fence(BackendKind::openmp);
        each_value(layout, [&](auto at, auto place) { ASSERT_EQ(packed[at], -values[place]) << at; });
    }
}

TEST(Kernels, MapFromPackedWritesEveryValueAndNothingElse) {
    for (auto const& layout : layouts()) {
        std::vector<float> packed(layout.shape.values());
        std::iota(packed.begin(), packed.end(), 1.0F);
        std::vector<float> values(extent(layout), 0);
        map_from_packed(Space(), packed.data(), KvSpan<float>{values.data(), layout.shape, layout.strides}, Negate{});
        fence(BackendKind::openmp);
        std::uint64_t written = 0;
        each_value(layout, [&](auto at, auto place) { ASSERT_EQ(values[place], -packed[at]) << at; });
        for (auto const value : values) written += value != 0;
        EXPECT_EQ(written, layout.shape.values());
    }
}

TEST(Kernels, RunsFindEveryValueByItsPackedPlace) {
    for (auto const& layout : layouts()) {
        std::vector<float> values(extent(layout));
        Runs<float> const runs(KvSpan<float>{values.data(), layout.shape, layout.strides});
        ASSERT_EQ(runs.values(), layout.shape.values());
        each_value(layout, [&](auto at, auto place) { ASSERT_EQ(&runs.value(at), &values[place]) << at; });
    }
}

TEST(Kernels, EmptyShapesDoNothing) {
    KvShape const empty{2, 3, 0, 64};
    map_to_packed(Space(), KvSpan<float const>{nullptr, empty, KvStrides::packed(empty)}, static_cast<float*>(nullptr),
                  Negate{});
    auto const range = finite_range(Space(), KvSpan<float const>{nullptr, empty, KvStrides::packed(empty)});
    EXPECT_EQ(range.low, 0);
    EXPECT_EQ(range.high, 0);
}

TEST(Kernels, FiniteRangePassesOverNanAndInf) {
    for (auto const& layout : layouts()) {
        std::vector<float> values(extent(layout), NAN);
        auto const n = layout.shape.values();
        each_value(layout, [&](auto at, auto place) {
            values[place] = at % 5 == 1 ? INFINITY : at % 5 == 2 ? -INFINITY : at % 5 == 3 ? NAN : 1.0F;
        });
        // Extremes at the very end, where the loop of full lanes no longer reaches.
        each_value(layout, [&](auto at, auto place) {
            if (at + 1 == n) values[place] = -3.5F;
            if (at + 2 == n) values[place] = 7.25F;
        });
        auto const range = finite_range(Space(), KvSpan<float const>{values.data(), layout.shape, layout.strides});
        EXPECT_EQ(range.low, -3.5F);
        EXPECT_EQ(range.high, n > 1 ? 7.25F : -3.5F);
    }
}

TEST(Kernels, RangeOfNothingFiniteIsZero) {
    std::vector<float> const values{NAN, INFINITY, -INFINITY};
    KvShape const shape{1, 1, 1, 3};
    auto const range = finite_range(Space(), KvSpan<float const>{values.data(), shape, KvStrides::packed(shape)});
    EXPECT_EQ(range.low, 0);
    EXPECT_EQ(range.high, 0);
}

}  // namespace
}  // namespace kvstone
