// How unequal channels and directions are, by hand; and as workload inspect stores it.

#include "harness/inspection/spread.hpp"

#include <cmath>

#include <gmock/gmock.h>

#include "harness/captures/load_tensors.hpp"
#include "harness/inspection/inspect.hpp"
#include "harness/sources/dump.hpp"
#include "tests/harness/attempt_fixture.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double accepted = 1e-6;  // values are floats

HostTensor tensor_of(std::vector<float> values, KvShape const& shape) {
    auto const kept = std::make_shared<std::vector<float>>(std::move(values));
    return {ElementType::f32, shape, {kept, reinterpret_cast<std::byte const*>(kept->data())}};
}

/// Four tokens of two channels: independent, with variances 4 and 1 about means of 3 and 0.
std::vector<float> independent() { return {5, 1, 5, -1, 1, 1, 1, -1}; }

/// The same without the mean, turned by 45 degrees: variances 2.5 and 2.5.
std::vector<float> turned() {
    auto const half = static_cast<float>(std::sqrt(0.5));
    std::vector<float> values;
    for (auto const& [x, y] : {std::pair{2, 1}, {2, -1}, {-2, 1}, {-2, -1}}) {
        values.push_back(half * static_cast<float>(x - y));
        values.push_back(half * static_cast<float>(x + y));
    }
    return values;
}

TEST(Spread, OfChannelsAndOfDirectionsAreNotTheSame) {
    KvShape const shape{1, 2, 4, 2};
    auto values = independent();
    auto const other = turned();
    values.insert(values.end(), other.begin(), other.end());
    auto const tensor = tensor_of(values, shape);
    auto const first = sum_head(tensor, 0), second = sum_head(tensor, 1);
    EXPECT_NEAR(*channel_variance_ratio(first, shape), 4, accepted);
    EXPECT_NEAR(*channel_second_moment_ratio(first, shape), 13, accepted);
    EXPECT_NEAR(mean_energy(std::span(&first, 1), shape), 9.0 / 14, accepted);
    EXPECT_NEAR(*channel_variance_ratio(second, shape), 1, accepted);
    EXPECT_NEAR(*channel_second_moment_ratio(second, shape), 1, accepted);
    // Turning changes nothing of the covariance's eigenvalues.
    for (std::uint64_t head = 0; head < 2; ++head) {
        auto const variances = principal_variances(tensor, head, head == 0 ? first : second);
        EXPECT_THAT(variances, ElementsAre(DoubleNear(4, accepted), DoubleNear(1, accepted)));
        EXPECT_NEAR(*eigenvalue_ratio(variances), 4, accepted);
        EXPECT_THAT(energy_by_rank(variances), ElementsAre(DoubleNear(0.8, accepted), 1));
    }
}

TEST(Spread, HasNoRatioWhereSomethingDoesNotVary) {
    KvShape const shape{1, 1, 2, 2};
    auto const tensor = tensor_of({5, 1, 5, -1}, shape);
    auto const sums = sum_head(tensor, 0);
    EXPECT_FALSE(channel_variance_ratio(sums, shape));
    EXPECT_NEAR(*channel_second_moment_ratio(sums, shape), 25, accepted);
    auto const variances = principal_variances(tensor, 0, sums);
    EXPECT_FALSE(eigenvalue_ratio(variances));
    EXPECT_THAT(energy_by_rank(variances), ElementsAre(1, 1));
    EXPECT_FALSE(eigenvalue_ratio({}));
    EXPECT_TRUE(energy_by_rank(std::vector<double>{0, 0}).empty());
    EXPECT_FALSE(rank_of_energy(std::vector<double>{0, 0}, 0.9));
    auto const zero = sum_head(tensor_of({1, 0, 2, 0}, shape), 0);
    EXPECT_FALSE(channel_second_moment_ratio(zero, shape));
}

TEST(Spread, RanksHoldTheirEnergy) {
    std::vector<double> const variances{6, 3, 1};
    EXPECT_THAT(energy_by_rank(variances), ElementsAre(DoubleNear(0.6, 1e-15), DoubleNear(0.9, 1e-15), 1));
    EXPECT_EQ(rank_of_energy(variances, 0.6), 1U);
    EXPECT_EQ(rank_of_energy(variances, 0.61), 2U);
    EXPECT_EQ(rank_of_energy(variances, 1), 3U);
}

TEST(Spread, OfManyTokensIsTheDefinition) {
    // 21 tokens: two blocks of eight and a rest. The trace of the covariance is the sum of the channels' variances, the sum
    // of squared eigenvalues its squared Frobenius norm.
    auto const tensors =
        load_tensors({{"kind", "synthetic"}, {"layers", 1}, {"kv_heads", 1}, {"head_dim", 6}, {"seed", 2}}, {}, 21, {});
    auto const& k = *tensors.k;
    auto const* const x = reinterpret_cast<float const*>(k.bytes.get());
    double trace = 0, squares = 0;
    for (int i = 0; i < 6; ++i)
        for (int j = 0; j < 6; ++j) {
            double of_i = 0, of_j = 0, product = 0;
            for (int t = 0; t < 21; ++t) {
                of_i += x[t * 6 + i] / 21.0;
                of_j += x[t * 6 + j] / 21.0;
            }
            for (int t = 0; t < 21; ++t) product += (x[t * 6 + i] - of_i) * (x[t * 6 + j] - of_j) / 21.0;
            squares += product * product;
            if (i == j) trace += product;
        }
    double sum = 0, sum_of_squares = 0;
    for (auto const variance : principal_variances(k, 0, sum_head(k, 0))) {
        sum += variance;
        sum_of_squares += variance * variance;
    }
    EXPECT_NEAR(sum / trace, 1, 1e-12);
    EXPECT_NEAR(sum_of_squares / squares, 1, 1e-12);
}

TEST(Spread, IsInTheReportOfInspect) {
    KvTensors tensors;
    auto values = independent();
    auto const other = turned();
    values.insert(values.end(), other.begin(), other.end());
    tensors.k = tensor_of(values, {1, 2, 4, 2});
    auto const report = inspect(tensors);
    auto const& layer = report["k"]["by_layer"][0];
    EXPECT_NEAR(layer["second_moment_ratio"].get<double>(), 13, accepted);
    EXPECT_NEAR(layer["pca_ratio"].get<double>(), 4, accepted);
    EXPECT_EQ(layer["rank_90"], 2);
    EXPECT_THAT(layer["pca_energy"].get<std::vector<double>>(), ElementsAre(DoubleNear(0.8, accepted), 1));
    auto const text = inspection_text(report);
    EXPECT_THAT(text, HasSubstr("2nd moment max/min  PCA first/last  rank 90%  in means"));
    EXPECT_THAT(text, HasSubstr("              4.00               13.00            4.00         2 "));
}

class InspectWorkload : public AttemptTest {
  protected:
    Measurement measure(Json source, Json locator, std::uint64_t context, int threads = 1) {
        AttemptRequest request;
        request.cell.workload = "inspect";
        request.cell.source = std::move(source);
        request.cell.locator = std::move(locator);
        request.cell.context = context;
        request.cell.codec = "raw";
        request.cell.backend = "openmp";
        request.cell.threads = threads;
        request.measure.timeout_s = 100;
        request.attempt_id = "0123456789abcdef0123456789abcdef";
        return run(request);
    }
    static std::optional<double> of(Measurement const& m, std::string const& component, std::string const& metric) {
        for (auto const& figure : m.figures)
            if (figure.component == component && figure.metric == metric) return figure.value;
        ADD_FAILURE() << component << " " << metric << m.reason;
        return std::nullopt;
    }
};

Json llama_source() {
    return {{"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 2}, {"head_dim", 64}, {"format", 2}, {"seed", 4}};
}

TEST_F(InspectWorkload, StoresWhatInspectTells) {
    auto const m = measure(llama_source(), Json::object(), 300);
    ASSERT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
    auto const tensors = load_tensors(llama_source(), {}, 300, {.k_prerope = true});
    for (auto const& [component, tensor] :
         {std::pair{"k", &tensors.k}, {"k_prerope", &tensors.k_prerope}, {"v", &tensors.v}}) {
        auto const& shape = (*tensor)->shape;
        std::vector<double> ratios, eigenvalue_ratios;
        for (std::uint64_t group = 0; group < 4; ++group) {
            auto const sums = sum_head(**tensor, group);
            ratios.push_back(*channel_variance_ratio(sums, shape));
            eigenvalue_ratios.push_back(*eigenvalue_ratio(principal_variances(**tensor, group, sums)));
        }
        std::ranges::sort(ratios);
        std::ranges::sort(eigenvalue_ratios);
        EXPECT_EQ(of(m, component, "channel_variance_ratio"), ratios[2]) << component;
        EXPECT_EQ(of(m, component, "pca_eigenvalue_ratio"), eigenvalue_ratios[2]) << component;
        std::map<std::string, int> profiles;
        for (auto const& profile : m.profiles)
            if (profile.component == component) ++profiles[profile.metric];
        EXPECT_EQ(profiles["channel_second_moment_ratio"], 4);
        EXPECT_EQ(profiles["pca_energy"], 4 * 64);
    }
    // RoPE mixes pairs of channels.
    EXPECT_NE(of(m, "k", "channel_variance_ratio"), of(m, "k_prerope", "channel_variance_ratio"));
    auto const two = measure(llama_source(), Json::object(), 300, 2);
    ASSERT_EQ(m.figures.size(), two.figures.size());
    for (std::size_t i = 0; i < m.figures.size(); ++i) {
        if (m.figures[i].metric == "peak_rss_bytes") continue;
        EXPECT_EQ(m.figures[i].value, two.figures[i].value) << m.figures[i].metric;
    }
}

TEST_F(InspectWorkload, UndoesRopeWhereTheSourceHasNoKBeforeIt) {
    auto tensors = load_tensors(llama_source(), {}, 300, {});
    auto const path = cache_ / "after.safetensors";
    write_dump(path, tensors);
    auto const m = measure({{"kind", "dump"}, {"sha256", content_hash(path)}}, {{"path", path}}, 0);
    auto const made = measure(llama_source(), Json::object(), 300);
    // Rotated there and back in floats: each value is right to some 2^-23 of its pair's size, which a mean of 8 to 12 makes
    // 2^-19 of a deviation.
    EXPECT_NEAR(*of(m, "k_prerope", "channel_variance_ratio") / *of(made, "k_prerope", "channel_variance_ratio"), 1,
                1e-4);
    // Without RoPE there is no before.
    tensors.rope.reset();
    tensors.v.reset();
    write_dump(path, tensors);
    auto const k_alone = measure({{"kind", "dump"}, {"sha256", content_hash(path)}}, {{"path", path}}, 0);
    EXPECT_EQ(k_alone.status, Status::ok) << k_alone.reason;
    EXPECT_TRUE(std::ranges::all_of(k_alone.figures, [](Figure const& figure) {
        return figure.component == "k" || figure.component == "kv";  // kv: memory
    }));
    EXPECT_FALSE(k_alone.figures.empty());
}

}  // namespace
}  // namespace kvstone
