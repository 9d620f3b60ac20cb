// Whether the synthetic `llama` looks like a trained model's cache.

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/captures/load_tensors.hpp"
#include "harness/inspection/inspect.hpp"
#include "harness/sources/shapes.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

/// A median over layers, as inspect tells it of SmolLM2-135M-Instruct (Q4_1) reading 2,048 tokens of WikiText-2.
struct Known {
    char const* tensor;
    char const* figure;
    double value;
};
constexpr Known of_a_trained_model[] = {
    {"k", "rms", 2.21},
    {"k", "channel_ratio", 8.67},
    {"k", "variance_ratio", 17.0},
    {"k", "mean_energy", 0.546},
    {"k", "first_token", 0.300},
    {"k_prerope", "channel_ratio", 9.66},
    {"k_prerope", "outlier_channels", 5},
    {"k_prerope", "variance_ratio", 20.6},
    {"k_prerope", "mean_energy", 0.782},
    {"v", "rms", 0.738},
    {"v", "channel_ratio", 3.16},
    {"v", "variance_ratio", 4.57},
    {"v", "mean_energy", 0.148},
    {"v", "first_token", 0.230},
};
constexpr double attention_on_the_first_token = 0.361;

Json inspected(std::uint64_t format) {
    auto source = shape_facts("smollm2-135m");
    source["kind"] = "synthetic";
    source["format"] = format;
    return inspect(load_tensors(source, Json::object(), 2048, {.k = true, .v = true, .k_prerope = true, .q = true}));
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

double over_layers(Json const& tensor, char const* figure) {
    std::vector<double> values;
    for (auto const& layer : tensor["by_layer"]) values.push_back(layer[figure].get<double>());
    return median(values);
}

/// How many figures are beyond a factor of two.
std::vector<std::string> missed(Json const& inspection) {
    std::vector<std::string> names;
    auto const add = [&](std::string const& name, double ours, double theirs) {
        if (ours > 2 * theirs || 2 * ours < theirs) names.push_back(name);
    };
    for (auto const& [tensor, figure, value] : of_a_trained_model)
        add(std::string(tensor) + " " + figure, over_layers(inspection[tensor], figure), value);
    add("attention", median(inspection["attention"]["first_token"].get<std::vector<double>>()),
        attention_on_the_first_token);
    return names;
}

TEST(SyntheticLlama, FormatTwoIsWithinAFactorOfTwoOfATrainedModel) {
    EXPECT_THAT(missed(inspected(2)), ::testing::IsEmpty());
    // Format 1 lacks the spread of K, means and spread of V, and the sink.
    EXPECT_THAT(missed(inspected(1)),
                ::testing::ElementsAre("k first_token", "k_prerope variance_ratio", "v channel_ratio",
                                       "v variance_ratio", "v mean_energy", "v first_token", "attention"));
}

TEST(SyntheticLlama, FormatTwoDependsOnNeitherContextNorSharedHeads) {
    Json source{{"kind", "synthetic"}, {"layers", 1}, {"kv_heads", 2}, {"heads", 4}, {"head_dim", 64}, {"format", 2}};
    auto const load = [&](std::uint64_t context) {
        return load_tensors(source, Json::object(), context, {.k = true, .v = true, .q = true});
    };
    auto const all = load(96);
    auto const some = load(32);
    auto const first = [](HostTensor const& tensor, std::uint64_t head, std::uint64_t tokens) {
        auto const values = floats(tensor);
        auto const begin = values.begin() + static_cast<std::ptrdiff_t>(head * tensor.shape.tokens * tensor.shape.dim);
        return std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(tokens * tensor.shape.dim));
    };
    for (std::uint64_t head = 0; head < 2; ++head) {
        EXPECT_EQ(first(*all.k, head, 32), first(*some.k, head, 32));
        EXPECT_EQ(first(*all.v, head, 32), first(*some.v, head, 32));
    }
    for (std::uint64_t head = 0; head < 4; ++head) EXPECT_EQ(first(*all.q, head, 32), first(*some.q, head, 32));
}

TEST(SyntheticLlama, ThereAreTwoFormats) {
    Json source{{"kind", "synthetic"}, {"layers", 1}, {"kv_heads", 1}, {"head_dim", 8}, {"format", 3}};
    EXPECT_THAT(message_of<ConfigError>([&] { load_tensors(source, Json::object(), 4, {}); }), HasSubstr("format"));
}

}  // namespace
}  // namespace kvstone
