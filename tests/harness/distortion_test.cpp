#include "harness/quality/distortion.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <gtest/gtest.h>
#include <omp.h>

#include "backends/kernels/floats.hpp"

namespace kvstone {
namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

std::byte const* bytes_of(void const* data) { return static_cast<std::byte const*>(data); }

Distortion distortion_of(KvShape const& shape, std::vector<float> const& x, std::vector<float> const& y) {
    return measure_distortion(shape, ElementType::f32, bytes_of(x.data()), bytes_of(y.data()));
}

std::vector<float> random_values(std::size_t count, unsigned seed, float mean = 0) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal(mean, 1);
    std::vector<float> values(count);
    std::ranges::generate(values, [&] { return normal(generator); });
    return values;
}

std::vector<float> with_noise(std::vector<float> values, float scale, unsigned seed) {
    auto const noise = random_values(values.size(), seed);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += scale * noise[i];
    return values;
}

// x = 1 2 -2 4, y = 1 2 -1 2: e = 0 0 1 -2.
TEST(Distortion, HandWorkedNumbers) {
    auto const d = distortion_of({1, 1, 2, 2}, {1, 2, -2, 4}, {1, 2, -1, 2});
    EXPECT_EQ(d.total.values, 4U);
    EXPECT_DOUBLE_EQ(*d.total.mae(), 3.0 / 4);
    EXPECT_DOUBLE_EQ(*d.total.rmse(), std::sqrt(5.0 / 4));
    // mean of x = 5/4, mean of squares = 25/4, variance = 25/4 - 25/16 = 75/16.
    EXPECT_DOUBLE_EQ(*d.total.nmse(), (5.0 / 4) / (75.0 / 16));
    EXPECT_EQ(d.total.max_abs_error, 2);
    EXPECT_DOUBLE_EQ(*d.total.relative_error_l1(), 3.0 / 9);
    // <x,y> = 1+4+2+8 = 15, |x|^2 = 25, |y|^2 = 10; vectors: 1 and (2+8) / (sqrt(20) sqrt(5)) = 1.
    EXPECT_DOUBLE_EQ(*d.total.cosine(), 15 / std::sqrt(250.0));
    EXPECT_DOUBLE_EQ(d.total.cosine_min, 1);
    // Relative errors 0 0 1/2 1/2: ranks ceil(.5 x 4) = 2, 4, 4.
    EXPECT_EQ(d.quantiles->p50, 0);
    EXPECT_EQ(d.quantiles->p95, 0.5);
    EXPECT_EQ(d.quantiles->p99, 0.5);
    EXPECT_EQ(d.quantiles->max, 0.5);
    EXPECT_DOUBLE_EQ(*d.relative_error_mean(), 0.25);
}

TEST(Distortion, ItsSumsAloneAreTheSame) {
    KvShape const shape{2, 3, 700, 48};
    auto x = random_values(shape.values(), 1, 0.5F);
    auto y = with_noise(x, 0.1F, 2);
    x[5] = nan;
    y[9] = inf;
    auto const all = distortion_of(shape, x, y).total;
    auto const alone = measure_error_sums(shape, ElementType::f32, bytes_of(x.data()), bytes_of(y.data()));
    for (auto const member : {&ErrorSums::values, &ErrorSums::nonfinite, &ErrorSums::lost, &ErrorSums::made})
        EXPECT_EQ(alone.*member, all.*member);
    for (auto const member : {&ErrorSums::x, &ErrorSums::xx, &ErrorSums::yy, &ErrorSums::xy, &ErrorSums::abs_x,
                              &ErrorSums::ee, &ErrorSums::abs_e, &ErrorSums::max_abs_error, &ErrorSums::cosine_min})
        EXPECT_EQ(alone.*member, all.*member);
    EXPECT_EQ(alone.made, 1U);
}

TEST(Distortion, TheWorstVectorIsOneOfAHeadAtAToken) {
    // Two vectors: parallel, and at a right angle.
    auto const d = distortion_of({1, 1, 2, 2}, {1, 0, 1, 0}, {2, 0, 0, 1});
    EXPECT_DOUBLE_EQ(d.total.cosine_min, 0);
    EXPECT_DOUBLE_EQ(*d.total.cosine(), 2 / (std::sqrt(2.0) * std::sqrt(5.0)));
    EXPECT_EQ(distortion_of({1, 1, 2, 2}, {0, 0, 1, 1}, {0, 0, 1, 1}).total.cosine_min, 1);  // zero for zero
    EXPECT_EQ(distortion_of({1, 1, 2, 2}, {0, 0, 1, 1}, {1, 0, 1, 1}).total.cosine_min, 0);
    EXPECT_DOUBLE_EQ(distortion_of({1, 1, 1, 2}, {1, 1}, {-1, -1}).total.cosine_min, -1);
}

struct Reference {
    double mae, rmse, nmse, l1, cosine, cosine_min, mean, p50, p95, p99;
};

/// Straight from the definitions, in long double. `mutant` breaks one of them.
Reference reference(KvShape const& shape, std::vector<float> const& x, std::vector<float> const& y, int mutant = 0) {
    long double const n = static_cast<long double>(x.size());
    long double mean = 0, squares = 0, ee = 0, abs_e = 0, abs_x = 0, xy = 0, yy = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        long double const a = x[i], b = y[i], e = b - a;
        mean += a / n;
        squares += a * a;
        ee += e * e;
        abs_e += std::fabs(e);
        abs_x += std::fabs(a);
        xy += a * b;
        yy += b * b;
    }
    long double variance = 0;
    for (float const value : x) variance += (value - mean) * (value - mean) / (mutant == 1 ? n - 1 : n);
    Reference r{};
    r.mae = static_cast<double>(abs_e / n);
    r.rmse = static_cast<double>(std::sqrt(ee / n));
    r.nmse = static_cast<double>(ee / n / variance);
    r.l1 = static_cast<double>(abs_e / abs_x);
    r.cosine = static_cast<double>(xy / std::sqrt(squares * yy));
    r.cosine_min = 1;
    for (std::size_t vector = 0; vector < shape.vectors(); ++vector) {
        long double vxy = 0, vxx = 0, vyy = 0;
        for (std::size_t i = vector * shape.dim; i < (vector + 1) * shape.dim; ++i) {
            long double const a = x[i], b = y[i];
            vxy += a * b;
            vxx += a * a;
            vyy += b * b;
        }
        r.cosine_min = std::min(r.cosine_min, static_cast<double>(vxy / std::sqrt(vxx * vyy)));
    }
    double const floor = (mutant == 2 ? 2 : 1) * kRelativeErrorFloor * std::sqrt(static_cast<double>(squares / n));
    std::vector<float> relative;
    long double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
        if (std::fabs(static_cast<double>(x[i])) > floor)
            relative.push_back(static_cast<float>(std::fabs(static_cast<double>(y[i]) - static_cast<double>(x[i])) /
                                                  std::fabs(static_cast<double>(x[i]))));
    for (auto const one : relative) sum += one;
    r.mean = static_cast<double>(sum / static_cast<long double>(mutant == 4 ? x.size() : relative.size()));
    std::ranges::sort(relative);
    auto const at = [&](double q) {
        auto const rank = std::ceil(q * static_cast<double>(relative.size())) - (mutant == 3 ? 1 : 0);
        return static_cast<double>(relative[static_cast<std::size_t>(rank) - 1]);
    };
    r.p50 = at(.50);
    r.p95 = at(.95);
    r.p99 = at(.99);
    return r;
}

bool agrees(Distortion const& d, Reference const& r) {
    auto const near = [](double a, double b) { return std::fabs(a - b) <= 1e-12 * std::fabs(b); };
    return near(*d.total.mae(), r.mae) && near(*d.total.rmse(), r.rmse) && near(*d.total.nmse(), r.nmse) &&
           near(*d.total.relative_error_l1(), r.l1) && near(*d.total.cosine(), r.cosine) &&
           near(d.total.cosine_min, r.cosine_min) && std::fabs(*d.relative_error_mean() - r.mean) <= 1e-7 * r.mean &&
           d.quantiles->p50 == r.p50 && d.quantiles->p95 == r.p95 && d.quantiles->p99 == r.p99;
}

TEST(Distortion, AgreesWithLongDoubleAndEveryMutantDoesNot) {
    for (auto const shape :
         {KvShape{2, 3, 301, 64}, KvShape{1, 2, 7, 3}, KvShape{1, 1, 5, 20000}, KvShape{3, 1, 40, 9}}) {
        for (float const mean : {0.0F, 5.0F}) {
            auto const x = random_values(shape.values(), 1, mean);
            auto const y = with_noise(x, 0.05F, 2);
            auto const d = distortion_of(shape, x, y);
            EXPECT_TRUE(agrees(d, reference(shape, x, y))) << shape.dim;
            EXPECT_FALSE(agrees(d, reference(shape, x, y, 1))) << "variance over n - 1";
            if (mean == 0 && shape.values() > 10'000) {
                EXPECT_FALSE(agrees(d, reference(shape, x, y, 2))) << "twice the floor";
                EXPECT_FALSE(agrees(d, reference(shape, x, y, 4))) << "a mean over values below the floor too";
            }
            EXPECT_FALSE(agrees(d, reference(shape, x, y, 3))) << "the rank before";
        }
    }
}

TEST(Distortion, IsEqualToTheLastBitForAnyNumberOfThreads) {
    KvShape const shape{2, 3, 1000, 64};
    auto const x = random_values(shape.values(), 3);
    auto const y = with_noise(x, 0.01F, 4);
    auto const figures = [&] {
        auto const d = distortion_of(shape, x, y);
        return std::vector<double>{*d.total.mae(),     *d.total.rmse(),      *d.total.nmse(),
                                   *d.total.cosine(),  d.total.cosine_min,   d.quantiles->p50,
                                   d.quantiles->p95,   d.quantiles->p99,     d.quantiles->max,
                                   *d.heads[4].nmse(), *d.heads[4].cosine(), *d.relative_error_mean()};
    };
    auto const threads = omp_get_max_threads();
    omp_set_num_threads(1);
    auto const one = figures();
    omp_set_num_threads(threads);
    auto const all = figures();
    for (std::size_t i = 0; i < one.size(); ++i)
        EXPECT_EQ(std::bit_cast<std::uint64_t>(one[i]), std::bit_cast<std::uint64_t>(all[i])) << i;
}

TEST(Distortion, ReadsEveryElementType) {
    KvShape const shape{1, 1, 3, 5};
    auto const x = random_values(shape.values(), 5);
    auto const y = with_noise(x, 0.1F, 6);
    auto const check = [&]<class T>(ElementType type) {
        std::vector<T> narrow_x, narrow_y;
        std::vector<float> wide_x, wide_y;
        for (std::size_t i = 0; i < x.size(); ++i) {
            narrow_x.push_back(from_float<T>(x[i]));
            narrow_y.push_back(from_float<T>(y[i]));
            wide_x.push_back(to_float(narrow_x.back()));
            wide_y.push_back(to_float(narrow_y.back()));
        }
        auto const narrow = measure_distortion(shape, type, bytes_of(narrow_x.data()), bytes_of(narrow_y.data()));
        auto const wide = distortion_of(shape, wide_x, wide_y);
        EXPECT_EQ(narrow.total.ee, wide.total.ee);
        EXPECT_EQ(narrow.total.xy, wide.total.xy);
        EXPECT_EQ(narrow.quantiles->p95, wide.quantiles->p95);
    };
    check.operator()<Float16>(ElementType::f16);
    check.operator()<BFloat16>(ElementType::bf16);
}

TEST(Distortion, HeadsAreApart) {
    KvShape const shape{2, 2, 3, 2};
    std::vector<float> const x = random_values(shape.values(), 7);
    auto y = x;
    y[(1 * 2 + 0) * 6 + 2] += 1;  // layer 1, head 0
    auto const d = distortion_of(shape, x, y);
    ASSERT_EQ(d.heads.size(), 4U);
    for (std::size_t head = 0; head < 4; ++head) EXPECT_EQ(*d.heads[head].mae() > 0, head == 2) << head;
}

TEST(Distortion, ValuesThatAreNotFinite) {
    // Kept: NaN and both infinities as they were. Lost: NaN to 0, Inf to -Inf. Made: 1 to Inf.
    auto const d =
        distortion_of({1, 1, 2, 4}, {nan, inf, -inf, 2, nan, inf, 1, 4}, {nan, inf, -inf, 3, 0, -inf, inf, 4});
    EXPECT_EQ(d.total.nonfinite, 5U);
    EXPECT_EQ(d.total.lost, 2U);
    EXPECT_EQ(d.total.made, 1U);
    EXPECT_EQ(d.total.values, 2U);
    EXPECT_DOUBLE_EQ(*d.total.mae(), 0.5);
    EXPECT_EQ(d.quantiles->max, 0.5);
}

TEST(Distortion, MetricsWithoutADenominatorAreNothing) {
    auto const none = distortion_of({1, 1, 1, 2}, {nan, nan}, {nan, nan});
    EXPECT_FALSE(none.total.mae());
    EXPECT_FALSE(none.total.cosine());
    EXPECT_FALSE(none.quantiles);
    EXPECT_FALSE(none.relative_error_mean());
    auto const zeros = distortion_of({1, 1, 1, 2}, {0, 0}, {0, 1});
    EXPECT_TRUE(zeros.total.mae());
    EXPECT_FALSE(zeros.total.nmse());
    EXPECT_FALSE(zeros.total.relative_error_l1());
    EXPECT_FALSE(zeros.quantiles);
    std::vector<float> const constant(1000, 0.1F);
    EXPECT_FALSE(distortion_of({1, 1, 10, 100}, constant, with_noise(constant, 0.1F, 1)).total.nmse());
    EXPECT_TRUE(distortion_of({1, 1, 0, 2}, {}, {}).heads.size() == 1);
}

TEST(Distortion, ALosslessCodecHasNoErrorAtAll) {
    auto const x = random_values(640, 9);
    auto const d = distortion_of({1, 1, 10, 64}, x, x);
    EXPECT_EQ(*d.total.nmse(), 0);
    EXPECT_EQ(d.total.max_abs_error, 0);
    EXPECT_EQ(d.quantiles->max, 0);
    EXPECT_EQ(d.quantiles->p50, 0);
    EXPECT_EQ(*d.total.cosine(), 1);
}

TEST(PooledDistortion, IsThatOfAllValuesTogether) {
    KvShape const shape{1, 2, 100, 16};
    auto const k = random_values(shape.values(), 11);
    auto const v = random_values(shape.values(), 12);
    auto const dk = distortion_of(shape, k, with_noise(k, 0.2F, 13));
    auto const dv = distortion_of(shape, v, with_noise(v, 0.01F, 14));
    auto const both = pooled({&dk, &dv});
    auto x = k, y = with_noise(k, 0.2F, 13);
    auto const v_decoded = with_noise(v, 0.01F, 14);
    x.insert(x.end(), v.begin(), v.end());
    y.insert(y.end(), v_decoded.begin(), v_decoded.end());
    auto const whole = distortion_of({2, 2, 100, 16}, x, y);
    EXPECT_NEAR(*both.total.nmse(), *whole.total.nmse(), 1e-12);
    EXPECT_EQ(both.total.cosine_min, whole.total.cosine_min);
    EXPECT_EQ(both.quantiles->max, std::max(dk.quantiles->max, dv.quantiles->max));
    // The floors of K, of V and of both differ by a little; the resolution of merged counts is 1 / 4096.
    EXPECT_NEAR(both.quantiles->p50 / whole.quantiles->p50, 1, 5e-3);
    EXPECT_GT(std::fabs(both.quantiles->p50 / dk.quantiles->p50 - 1), 0.1);
}

/// Ranks that each hold some layers of one tensor get the figures of one rank together.
TEST(PooledDistortion, PartsOfRanksMerge) {
    KvShape const shape{1, 2, 100, 16};
    std::vector<float> x, y;
    std::vector<Distortion> parts;
    auto const values = random_values(shape.values(), 21);
    for (unsigned rank = 0; rank < 3; ++rank) {
        auto own = values;  // of one size in each layer, so that all floors are the same
        std::ranges::rotate(own, own.begin() + 100 * rank);
        auto const decoded = with_noise(own, 0.02F * static_cast<float>(rank + 1), 22 + rank);
        parts.push_back(distortion_of(shape, own, decoded));
        x.insert(x.end(), own.begin(), own.end());
        y.insert(y.end(), decoded.begin(), decoded.end());
    }
    auto const merged = pooled({&parts[0], &parts[1], &parts[2]});
    auto const whole = distortion_of({3, 2, 100, 16}, x, y);
    auto const near = [](double a, double b) { return std::fabs(a - b) <= 1e-12 * std::fabs(b); };
    EXPECT_EQ(merged.total.values, whole.total.values);
    EXPECT_TRUE(near(*merged.total.mae(), *whole.total.mae()));
    EXPECT_TRUE(near(*merged.relative_error_mean, *whole.relative_error_mean()));
    EXPECT_EQ(merged.total.max_abs_error, whole.total.max_abs_error);
    EXPECT_EQ(merged.quantiles->max, whole.quantiles->max);
    for (auto const quantile : {&RelativeQuantiles::p50, &RelativeQuantiles::p95, &RelativeQuantiles::p99})
        EXPECT_NEAR((*merged.quantiles).*quantile / (*whole.quantiles).*quantile, 1, 1.0 / 4096);
    // Parts differ: one that is forgotten shows.
    auto const less = pooled({&parts[0], &parts[1]});
    EXPECT_FALSE(near(*less.relative_error_mean, *whole.relative_error_mean()));
    EXPECT_FALSE(near(*less.total.mae(), *whole.total.mae()));
}

TEST(RelativeErrors, PlacesAndBins) {
    RelativeErrors errors;
    for (int i = 1; i <= 100; ++i) errors.count(static_cast<float>(i));
    EXPECT_EQ(errors.values(), 100U);
    auto const p50 = errors.place(0.5);
    EXPECT_EQ(p50.bin, RelativeErrors::bin_of(50));
    EXPECT_EQ(p50.rank, 0U);
    EXPECT_EQ(errors.place(0.501).bin, RelativeErrors::bin_of(51));
    EXPECT_EQ(errors.place(0).bin, RelativeErrors::bin_of(1));
    EXPECT_EQ(errors.place(1).bin, RelativeErrors::bin_of(100));
    EXPECT_NEAR(RelativeErrors::middle(RelativeErrors::bin_of(0.3F)), 0.3, 0.3 / 4096);
    EXPECT_EQ(RelativeErrors::middle(RelativeErrors::bin_of(0)), 0);
}

}  // namespace
}  // namespace kvstone
