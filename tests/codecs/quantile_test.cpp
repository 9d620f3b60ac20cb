// Quantiles of large tensors, against sorting: whatever the samples of the single pass say.

#include "codecs/kernels/quantile.hpp"

#include <cmath>
#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

/// Enough that samples are drawn, that they are fewer than the values, and that not all can be kept.
constexpr std::uint64_t many = (std::uint64_t{5} << 18) + 77;
constexpr std::uint64_t samples = std::uint64_t{1} << 17;

std::vector<float> made(std::uint64_t n, std::function<float(std::uint64_t)> const& value) {
    std::vector<float> values(n);
    for (std::uint64_t i = 0; i < n; ++i) values[i] = value(i);
    return values;
}

std::uint32_t bits_of(float value) { return Kokkos::bit_cast<std::uint32_t>(value); }

/// Bits of quantiles by sorting the keys of finite values.
template <class Key>
class Sorted {
  public:
    explicit Sorted(std::vector<float> const& values) {
        for (auto const value : values) {
            if (std::isfinite(value)) keys_.push_back(Key{}(value));
        }
        std::ranges::sort(keys_);
    }
    std::uint32_t quantile(double p) const {
        if (keys_.empty()) return 0;
        auto const rank = std::max(1.0, std::ceil(p * static_cast<double>(keys_.size())));
        return bits_of(Key::value(keys_[static_cast<std::size_t>(rank) - 1]));
    }

  private:
    std::vector<std::uint32_t> keys_;
};

class Finder {
  public:
    explicit Finder(std::vector<float> const& values)
        : values_(values), workspace_(BackendKind::openmp, QuantileFinder::workspace_bytes()) {}

    KvSpan<float const> span() const {
        KvShape const shape{1, 1, 1, values_.size()};
        return {values_.data(), shape, KvStrides::packed(shape)};
    }
    template <class Key, std::size_t N>
    std::array<float, N> find(std::array<double, N> const& ps) const {
        return QuantileFinder(workspace_.data()).find(space_, span(), Key{}, ps);
    }
    /// Whether the single pass has an answer by itself.
    template <class Key>
    bool in_one_pass(double p) const {
        return QuantileBracket(workspace_.data()).find(space_, span(), Key{}, std::array{p}).has_value();
    }

  private:
    std::vector<float> const& values_;
    Buffer workspace_;
    Kokkos::DefaultHostExecutionSpace space_;
};

void expect_exact(std::vector<float> const& values) {
    Finder const finder(values);
    Sorted<Signed> const numbers(values);
    Sorted<Magnitude> const magnitudes(values);
    for (double const p : {0.0, 0.0005, 0.05, 0.5, 0.75, 0.999, 1.0}) {
        auto const ends = finder.find<Signed>(std::array{p, 1 - p});
        EXPECT_EQ(bits_of(ends[0]), numbers.quantile(p)) << p;
        EXPECT_EQ(bits_of(ends[1]), numbers.quantile(1 - p)) << 1 - p;
        EXPECT_EQ(bits_of(finder.find<Magnitude>(std::array{p})[0]), magnitudes.quantile(p)) << p;
    }
}

std::vector<float> normal(std::uint64_t n) {
    std::mt19937 random(5);
    std::normal_distribution<float> draw;
    return made(n, [&](auto) { return draw(random); });
}

TEST(QuantileOfMany, Normal) { expect_exact(normal(many)); }

TEST(QuantileOfMany, TakesOnePass) {
    auto const values = normal(many);
    Finder const finder(values);
    for (double const p : {0.0, 0.05, 0.5, 0.999, 1.0}) {
        EXPECT_TRUE(finder.in_one_pass<Magnitude>(p)) << p;
        EXPECT_TRUE(finder.in_one_pass<Signed>(p)) << p;
    }
}

TEST(QuantileOfMany, FewValues) {
    for (std::uint64_t const n : {1U, 2U, 3U, 17U, 4099U}) expect_exact(normal(n));
}

TEST(QuantileOfMany, SortedEitherWay) {
    expect_exact(made(many, [](auto i) { return static_cast<float>(i) - 5e5F; }));
    expect_exact(made(many, [](auto i) { return 5e5F - static_cast<float>(i); }));
}

TEST(QuantileOfMany, AllEqualCannotBeKept) {
    auto const values = made(many, [](auto) { return -2.5F; });
    EXPECT_FALSE(Finder(values).in_one_pass<Signed>(0.5));
    expect_exact(values);
}

TEST(QuantileOfMany, TwoValues) {
    expect_exact(made(many, [](auto i) { return i % 3 == 0 ? 1.0F : -1.0F; }));
}

TEST(QuantileOfMany, ZerosOfBothSigns) {
    expect_exact(made(many, [](auto i) { return i % 2 == 0 ? 0.0F : -0.0F; }));
}

TEST(QuantileOfMany, HeavyTails) {
    std::mt19937 random(6);
    expect_exact(made(many, [&](auto) {
        auto const u = (static_cast<double>(random()) + 0.5) * 0x1p-32;
        return static_cast<float>(std::tan(3.14159265358979 * (u - 0.5)));
    }));
}

TEST(QuantileOfMany, NotFiniteIsPassedOver) {
    auto values = normal(many);
    for (std::size_t i = 0; i < values.size(); i += 3) {
        values[i] = i % 4 == 0 ? NAN : i % 4 == 1 ? -NAN : i % 4 == 2 ? INFINITY : -INFINITY;
    }
    expect_exact(values);
    expect_exact(made(many, [](auto i) { return i % 2 == 0 ? NAN : -INFINITY; }));
}

TEST(QuantileOfMany, SamplesThatLeadAstray) {
    // Samples see nothing but 1, which is a tenth of the values; nine tenths are larger.
    auto values = made(many, [](auto i) { return 2.0F + static_cast<float>(i % 1000); });
    for (std::uint64_t i = 0; i < samples; ++i) values[scattered_index(i, samples, many)] = 1;
    EXPECT_FALSE(Finder(values).in_one_pass<Signed>(0.5));
    expect_exact(values);
}

TEST(QuantileOfMany, SamplesHaveNoPeriod) {
    // One channel of 128 holds everything: samples at equal distances would see it always, or never.
    std::vector<int> seen(128);
    for (std::uint64_t i = 0; i < samples; ++i) ++seen[scattered_index(i, samples, samples * 512) % 128];
    for (int const count : seen) EXPECT_NEAR(count, 1024, 256);
}

TEST(QuantileOfMany, KeysThatAreKept) {
    std::mt19937 random(7);
    std::vector<std::uint32_t> keys(1003);
    for (auto& key : keys) key = static_cast<std::uint32_t>(random() % 8 == 0 ? 0xffffffffU : random() % 200);
    std::array<KeyRange, 2> const ranges{KeyRange{50, 10}, KeyRange{0xfffffff0U, 15}};
    std::vector<std::uint32_t> expected;
    for (auto const key : keys) {
        if ((key >= 50 && key <= 60) || key >= 0xfffffff0U) expected.push_back(key);
    }
    std::vector<std::uint32_t> kept(keys.size() + keep_keys_slack);
    kept.resize(keep_keys(keys.data(), keys.size(), ranges, kept.data()));
    EXPECT_EQ(kept, expected);
    keys.resize(keep_keys(keys.data(), keys.size(), ranges, keys.data()));
    EXPECT_EQ(keys, expected) << "in place";
}

TEST(Quantile, IsTheExactOrderStatistic) {
    KvShape const shape{2, 3, 50, 80};
    auto values = test_values(shape);
    values[17] = NAN;
    values[18] = INFINITY;
    values[19] = -INFINITY;
    values[20] = -0.0F;
    values[21] = 1e-42F;
    TestTensor const tensor(shape, ElementType::f32, values, true);
    auto const span = read_only(tensor.view().as<float>());
    Buffer const workspace(BackendKind::openmp, QuantileFinder::workspace_bytes());
    QuantileFinder const finder(workspace.data());
    Kokkos::DefaultHostExecutionSpace const space;
    for (double const p : {0.0, 0.0001, 0.25, 0.5, 0.9, 0.999, 0.9999, 1.0}) {
        std::vector<float> numbers;
        std::vector<float> magnitudes;
        for (auto const value : values) {
            if (!std::isfinite(value)) continue;
            numbers.push_back(value);
            magnitudes.push_back(std::fabs(value));
        }
        auto const rank = std::max(1.0, std::ceil(p * static_cast<double>(numbers.size())));
        auto const middle = static_cast<std::ptrdiff_t>(rank) - 1;
        std::nth_element(numbers.begin(), numbers.begin() + middle, numbers.end());
        std::nth_element(magnitudes.begin(), magnitudes.begin() + middle, magnitudes.end());
        EXPECT_EQ(finder.find(space, span, Signed{}, p), numbers[static_cast<std::size_t>(middle)]) << p;
        EXPECT_EQ(finder.find(space, span, Magnitude{}, p), magnitudes[static_cast<std::size_t>(middle)]) << p;
    }
}

}  // namespace
}  // namespace kvstone
