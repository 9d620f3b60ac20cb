// Figures of inspect, worked by hand.

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/inspection/attention_share.hpp"
#include "harness/inspection/inspect.hpp"
#include "harness/inspection/inspection_page.hpp"

namespace kvstone {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

HostTensor tensor_of(std::vector<float> values, KvShape const& shape) {
    auto const kept = std::make_shared<std::vector<float>>(std::move(values));
    return {ElementType::f32, shape, {kept, reinterpret_cast<std::byte const*>(kept->data())}};
}

Json layer_of(std::vector<float> values, KvShape const& shape) {
    KvTensors tensors;
    tensors.k = tensor_of(std::move(values), shape);
    return inspect(tensors)["k"]["by_layer"][0];
}

TEST(InspectionFigures, VariancesAreAboutTheMeanAndEnergyIsWhereItLies) {
    // One head, four tokens; channel 0: 3 +- 1 (variance 1, mean 3), channel 1: +-2 (variance 4, mean 0).
    auto const layer = layer_of({4, 2, 2, -2, 4, -2, 2, 2}, {1, 1, 4, 2});
    EXPECT_DOUBLE_EQ(layer["variance_ratio"].get<double>(), 4);
    EXPECT_DOUBLE_EQ(layer["mean_energy"].get<double>(), 4 * 9.0 / (4 * 10 + 4 * 4));
    EXPECT_EQ(layer["duplicate_rows"], 0);
}

TEST(InspectionFigures, AChannelThatDoesNotVaryHasNoRatio) {
    auto const layer = layer_of({5, 1, 5, -1}, {1, 1, 2, 2});
    EXPECT_TRUE(layer["variance_ratio"].is_null());
    EXPECT_DOUBLE_EQ(layer["mean_energy"].get<double>(), 50.0 / 52);
}

TEST(InspectionFigures, SinksAreTokensFarFromTheMedian) {
    // RMS of the tokens over both heads: 10, 1, 1, 1/5, 1.
    std::vector<float> const head{10, -10, 1, 1, -1, 1, 0.2F, 0.2F, 1, -1};
    auto both = head;
    both.insert(both.end(), head.begin(), head.end());
    auto const layer = layer_of(both, {1, 2, 5, 2});
    EXPECT_NEAR(layer["first_token"].get<double>(), 10, 1e-6);
    EXPECT_EQ(layer["sink_tokens"], 2);
}

TEST(InspectionFigures, RepeatedVectorsAreThoseOfTheSameHead) {
    // Head 0 has its first vector three times, head 1 none of its own twice, though it shares one with head 0.
    auto const layer = layer_of({1, 2, 1, 2, 1, 2, 1, 2, 3, 4, 5, 6}, {1, 2, 3, 2});
    EXPECT_DOUBLE_EQ(layer["duplicate_rows"].get<double>(), 2.0 / 6);
}

TEST(InspectionFigures, AttentionOnTheFirstTokenIsTheSoftmaxsShare) {
    KvTensors tensors;
    // Two query heads share one KV head; dim 4, so the scale is 1/2. Logits of head 0: ln 3, 0, 0 at token 2, of which the
    // first token gets 3/5; query 0 sees itself alone.
    auto const log3 = static_cast<float>(2 * std::log(3.0));
    tensors.k = tensor_of({1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}, {1, 1, 3, 4});
    tensors.q =
        tensor_of({log3, 0, 0, 0, log3, 0, 0, 0, log3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}, {1, 2, 3, 4});
    auto const expected = ((1 + 3.0 / 4 + 3.0 / 5) / 3 + (1 + 1.0 / 2 + 1.0 / 3) / 3) / 2;
    EXPECT_THAT(first_token_share(tensors), ElementsAre(DoubleNear(expected, 1e-6)));
    // The same two of a sample, which knows where its queries stand.
    tensors.q = tensor_of({log3, 0, 0, 0, 0, 0, 0, 1}, {1, 2, 1, 4});
    tensors.q_positions = {2};
    EXPECT_THAT(first_token_share(tensors), ElementsAre(DoubleNear((3.0 / 5 + 1.0 / 3) / 2, 1e-6)));
    EXPECT_TRUE(inspect(tensors).contains("attention"));
    // Queries that no token of K can have asked.
    tensors.q_positions = {3};
    EXPECT_FALSE(inspect(tensors).contains("attention"));
}

TEST(InspectionFigures, ThePageSetsSourcesSideBySide) {
    auto const source = [](float scale) {
        KvTensors tensors;
        tensors.k = tensor_of({4 * scale, 2, 2 * scale, -2, 4 * scale, -2, 2 * scale, 2}, {1, 1, 4, 2});
        tensors.v = tensor_of({1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 4, 2});
        return inspect(tensors);
    };
    auto const page = inspection_page({{"one", source(1)}, {"two", source(3)}});
    EXPECT_THAT(page, HasSubstr("| figure | one | two | ratio |\n|---|---:|---:|---:|\n"));
    // Variances 1 and 4, then 9 and 4.
    EXPECT_THAT(page, HasSubstr("| K after RoPE: largest over least channel variance in a head | 4 | 2.25 | 0.56 |\n"));
    EXPECT_THAT(page, HasSubstr("| V: share of vectors that repeat an earlier one | 0.75 | 0.75 | 1.00 |\n"));
    EXPECT_THAT(page, HasSubstr("| V: largest over least channel variance in a head | - | - | - |\n"));
    EXPECT_THAT(page, HasSubstr("\n## V of one: by layer\n"));
    EXPECT_THAT(page, ::testing::Not(HasSubstr("of two: by layer")));
}

}  // namespace
}  // namespace kvstone
