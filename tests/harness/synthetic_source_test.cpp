#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include "backends/normal.hpp"
#include "backends/philox.hpp"
#include "harness/captures/load_tensors.hpp"
#include "harness/sources/rope.hpp"
#include "harness/sources/shapes.hpp"
#include "harness/sources/synthetic.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

Json llama_source(std::uint64_t seed = 0) {
    return {{"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 4}, {"head_dim", 128}, {"heads", 8}, {"seed", seed}};
}

KvTensors load(Json const& source, std::uint64_t context, Needs needs = {}) {
    return load_tensors(source, Json::object(), context, needs);
}

TEST(Philox, AgreesWithThePublishedVectors) {
    // Random123, kat_vectors: philox4x32 10.
    EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
              (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Normal, PairIsBoxMullersInDoublePrecision) {
    double worst = 0;
    for (std::uint32_t i = 0; i < 200'000; ++i) {
        auto const word = philox({i, 0, 0, 0}, {1, 2});
        auto const pair = normal_pair(word[0], word[1]);
        double const radius = std::sqrt(-2 * std::log((word[0] + 0.5) / 4294967296.0));
        // The angle counts from the middle of the word's quarter.
        double const turn = (word[1] >> 30) * 0.25 + static_cast<std::int32_t>(word[1] << 2) / 17179869184.0;
        worst = std::max({worst, std::abs(pair.first - radius * std::cos(turn * 2 * M_PI)),
                          std::abs(pair.second - radius * std::sin(turn * 2 * M_PI))});
    }
    // Near 1 the uniform has 24 bits, which the root stretches: the smallest radii are right to 1e-5, the others to 1e-6.
    EXPECT_LT(worst, 2e-5);
    for (auto const word : {0U, 1U, 0xffffffffU, 0x80000000U}) {
        EXPECT_TRUE(std::isfinite(normal_pair(word, word).first)) << word;
        EXPECT_LT(std::abs(normal_pair(word, word).second), 6.8F) << word;
    }
}

TEST(Synthetic, NormalHasTheMomentsAndTailsOfAGaussian) {
    auto source = llama_source();
    source["distribution"] = "normal";
    auto const tensors = load(source, 4096);
    EXPECT_FALSE(tensors.rope);
    for (auto const* tensor : {&*tensors.k, &*tensors.v}) {
        ASSERT_EQ(tensor->shape, (KvShape{2, 4, 4096, 128}));
        auto const values = floats(*tensor);
        auto const n = static_cast<double>(values.size());  // 4.2 million: one sigma of the variance is 0.07%
        double sum = 0;
        double square = 0;
        double fourth = 0;
        double beyond_3 = 0;
        double neighbours = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            double const x = values[i];
            sum += x;
            square += x * x;
            fourth += x * x * x * x;
            beyond_3 += std::abs(x) > 3 ? 1 : 0;
            if (i > 0) neighbours += x * values[i - 1];
        }
        EXPECT_NEAR(sum / n, 0, 0.003);
        EXPECT_NEAR(square / n, 1, 0.003);
        EXPECT_NEAR(fourth / n, 3, 0.03);
        EXPECT_NEAR(beyond_3 / n, 0.0026998, 0.0001);
        EXPECT_NEAR(neighbours / n, 0, 0.003);
    }
    EXPECT_NE(floats(*tensors.k), floats(*tensors.v));
}

/// Largest distance between the values' distribution and a cumulative one (Kolmogorov and Smirnov), times sqrt(n): above
/// 1.95 once in a thousand samples that do follow it.
double departure(std::vector<float> values, std::function<double(double)> const& cumulative) {
    std::ranges::sort(values);
    double const n = static_cast<double>(values.size());
    double most = 0;
    for (std::size_t i = 0; i < values.size(); ++i)
        most = std::max(most, std::abs(cumulative(values[i]) - (static_cast<double>(i) + 0.5) / n));
    return most * std::sqrt(n);
}

TEST(Synthetic, PlainDistributionsAreWhatTheirFormulasSay) {
    auto const gaussian = [](double x) { return 0.5 * std::erfc(-x / M_SQRT2); };
    std::map<std::string, std::function<double(double)>> const laws{
        {"normal", gaussian},
        {"biased", [&](double x) { return gaussian(x - 4); }},
        {"uniform", [](double x) { return std::clamp(0.5 + x / std::sqrt(12), 0.0, 1.0); }},
        // Student's t with 4 degrees of freedom in closed form, its variance of 2 taken out.
        {"heavy", [](double x) {
             double const t = x * M_SQRT2, s = t / std::sqrt(4 + t * t);
             return 0.5 + 0.75 * (s - s * s * s / 3);
         }}};
    ASSERT_EQ(synthetic_distributions().size(), laws.size() + 1);
    for (auto const& [name, law] : laws) {
        Json const source{
            {"kind", "synthetic"}, {"layers", 1}, {"kv_heads", 2}, {"head_dim", 80}, {"distribution", name}};
        auto const tensors = load(source, 2000, {.k = true, .v = true, .q = true});
        EXPECT_FALSE(tensors.rope);
        EXPECT_LT(departure(floats(*tensors.k), law), 1.95) << name;
        EXPECT_LT(departure(floats(*tensors.v), law), 1.95) << name;
        EXPECT_LT(departure(floats(*tensors.q), gaussian), 1.95) << name;
        EXPECT_NE(floats(*tensors.k), floats(*tensors.v)) << name;
        // No law is near enough to another to pass for it.
        for (auto const& [other, wrong] : laws) {
            if (other == name) continue;
            EXPECT_GT(departure(floats(*tensors.k), wrong), 4) << name << " as " << other;
        }
    }
}

TEST(Synthetic, HeavyTailsAreFinite) {
    for (auto const a : {0U, 1U, 0x80000000U, 0xffffffffU})
        for (auto const b : {0U, 1U, 0x80000000U, 0xffffffffU}) {
            EXPECT_LT(std::abs(heavy_tailed(a, b, 0xffffffffU, 0xffffffffU)), 7e4F) << a << ' ' << b;
            EXPECT_TRUE(std::isfinite(heavy_tailed(a, a, b, b))) << a << ' ' << b;
        }
}

TEST(Synthetic, ValuesDependOnNeitherThreadsNorContext) {
    Needs const all{.k = true, .v = true, .k_prerope = true, .q = true};
    auto const threads = omp_get_max_threads();
    omp_set_num_threads(1);
    auto const one = load(llama_source(), 300, all);
    omp_set_num_threads(3);
    auto const three = load(llama_source(), 300, all);
    auto const shorter = load(llama_source(), 100, all);
    omp_set_num_threads(threads);
    EXPECT_EQ(floats(*one.k), floats(*three.k));
    EXPECT_EQ(floats(*one.v), floats(*three.v));
    EXPECT_EQ(floats(*one.q), floats(*three.q));
    auto const long_k = floats(*one.k);
    auto const short_k = floats(*shorter.k);
    for (std::uint64_t group = 0; group < 8; ++group) {
        auto const* const from = long_k.data() + group * 300 * 128;
        EXPECT_TRUE(std::equal(from, from + 100 * 128, short_k.data() + group * 100 * 128)) << group;
    }
}

TEST(Synthetic, SeedHeadLayerAndTensorMakeOtherValues) {
    std::set<float> firsts;
    for (std::uint64_t const seed : {0ULL, 1ULL, 1ULL << 40}) {
        auto const tensors = load(llama_source(seed), 1);
        for (auto const* tensor : {&*tensors.k, &*tensors.v}) {
            auto const values = floats(*tensor);
            for (std::size_t group = 0; group < 8; ++group) firsts.insert(values[group * 128]);
        }
    }
    EXPECT_EQ(firsts.size(), 3U * 2 * 8);
}

/// Largest over median channel RMS of one head.
double channel_ratio(std::vector<float> const& values, std::uint64_t head, std::uint64_t tokens) {
    std::vector<double> energy(128);
    for (std::uint64_t i = 0; i < tokens * 128; ++i) {
        double const value = values[head * tokens * 128 + i];
        energy[i % 128] += value * value;
    }
    std::sort(energy.begin(), energy.end());
    return std::sqrt(energy.back() / energy[64]);
}

double token_correlation(std::vector<float> const& values, std::uint64_t tokens) {
    double product = 0;
    double square = 0;
    for (std::size_t i = 128; i < tokens * 128; ++i) {
        product += double{values[i]} * values[i - 128];
        square += double{values[i]} * values[i];
    }
    return product / square;
}

TEST(Synthetic, LlamaHasOutlierChannelsInKAloneAndCorrelatedTokens) {
    auto const tensors = load(llama_source(), 2048);
    auto const k = floats(*tensors.k);
    auto const v = floats(*tensors.v);
    for (std::uint64_t head = 0; head < 8; ++head) {
        EXPECT_GT(channel_ratio(k, head, 2048), 5) << head;
        EXPECT_LT(channel_ratio(k, head, 2048), 15) << head;
        EXPECT_LT(channel_ratio(v, head, 2048), 1.2) << head;
    }
    EXPECT_NEAR(token_correlation(v, 2048), 0.5, 0.01);
}

TEST(Synthetic, KIsItsPreRopeRotatedWithTheStatedRope) {
    auto source = llama_source();
    source["rope_base"] = 500000.0;
    auto const tensors = load(source, 5000, {.k = true, .v = false, .k_prerope = true, .q = false});
    EXPECT_FALSE(tensors.v);
    ASSERT_TRUE(tensors.rope);
    EXPECT_EQ(tensors.rope->base, 500000);
    auto const ours = floats(rotate(*tensors.k_prerope, *tensors.rope, false));
    auto const k = floats(*tensors.k);
    auto const worst = [&](std::vector<float> const& other) {
        double result = 0;
        for (std::size_t i = 0; i < k.size(); ++i) result = std::max(result, std::abs(double{other[i]} - k[i]));
        return result;
    };
    EXPECT_LT(worst(ours), 1e-5);
    auto interleaved = *tensors.rope;
    interleaved.interleaved = true;
    EXPECT_GT(worst(floats(rotate(*tensors.k_prerope, interleaved, false))), 1);
    auto const back = floats(rotate(*tensors.k, *tensors.rope, true));
    auto const before = floats(*tensors.k_prerope);
    for (std::size_t i = 0; i < k.size(); i += 97) ASSERT_NEAR(back[i], before[i], 1e-5);
}

TEST(Synthetic, WithoutRopeKIsNotRotated) {
    auto source = llama_source();
    source["rope_base"] = 0;
    auto const tensors = load(source, 16, {.k = true, .v = false, .k_prerope = true, .q = false});
    EXPECT_FALSE(tensors.rope || tensors.k_prerope);
}

TEST(Synthetic, ALatentIsOneVectorATokenAndHasNoV) {
    auto source = shape_facts("deepseek-v3");
    source["kind"] = "synthetic";
    source["layers"] = 1;
    source["format"] = 2;
    auto const tensors = load(source, 300, {.k = true, .v = true, .k_prerope = true, .q = true});
    EXPECT_FALSE(tensors.v);
    EXPECT_EQ(tensors.k->shape, (KvShape{1, 1, 300, 576}));
    EXPECT_EQ(tensors.q->shape, (KvShape{1, 128, 300, 576}));
    ASSERT_TRUE(tensors.rope);
    EXPECT_EQ(tensors.rope->dims, 64U);
    // RoPE turns the first 64 channels alone, and the outlier channels are among them.
    auto const after = floats(*tensors.k), before = floats(*tensors.k_prerope);
    std::vector<double> means(576);
    for (std::size_t t = 0; t < 300; ++t)
        for (std::size_t c = 0; c < 576; ++c) {
            if (c >= 64) {
                ASSERT_EQ(after[t * 576 + c], before[t * 576 + c]) << t << " " << c;
            }
            means[c] += before[t * 576 + c] / 300.0;
        }
    EXPECT_NE(after[576 + 5], before[576 + 5]);
    // A mean of 8 to 12; the others are N(0, 0.5^2), as latents alone.
    auto const largest = [&](std::size_t from, std::size_t to) {
        double most = 0;
        for (auto c = from; c < to; ++c) most = std::max(most, std::abs(means[c]));
        return most;
    };
    EXPECT_GT(largest(0, 64), 6);
    EXPECT_LT(largest(64, 576), 5);
    source["kv_heads"] = 2;
    EXPECT_THAT(message_of<ConfigError>([&] { load(source, 4); }), HasSubstr("one KV head"));
    source["kv_heads"] = 1;
    source["latent"] = 511;
    EXPECT_THAT(message_of<ConfigError>([&] { load(source, 4); }), HasSubstr("even"));
}

TEST(Synthetic, RefusesShapesThatAreNone) {
    auto const refusal = [](char const* member, Json const& value, std::uint64_t context = 16) {
        auto source = llama_source();
        source[member] = value;
        return message_of<ConfigError>([&] { load(source, context); });
    };
    EXPECT_THAT(refusal("layers", 0), HasSubstr("layers is a whole number from 1"));
    EXPECT_THAT(refusal("head_dim", -1), HasSubstr("head_dim"));
    EXPECT_THAT(refusal("head_dim", 7), HasSubstr("even"));
    EXPECT_THAT(refusal("kv_heads", 1e9), HasSubstr("kv_heads"));
    EXPECT_THAT(refusal("distribution", "lama"), HasSubstr("did you mean 'llama'"));
    EXPECT_THAT(refusal("seed", 1, 0), HasSubstr("context"));
}

TEST(Shapes, AreListedOnceAndMakeSense) {
    std::set<std::string> names;
    for (auto const& shape : model_shapes()) {
        EXPECT_TRUE(names.insert(shape.name).second) << shape.name;
        EXPECT_EQ(shape.heads % shape.kv_heads, 0U) << shape.name;
        EXPECT_EQ(shape.head_dim % 32, 0U) << shape.name;
        EXPECT_EQ(shape_facts(shape.name)["layers"], shape.layers);
    }
    // 80 layers x 2 x 8 heads x 128 x 2048 tokens x 4 bytes.
    auto const facts = shape_facts("llama-3.3-70b");
    EXPECT_EQ(facts["layers"].get<int>() * 2 * facts["kv_heads"].get<int>() * facts["head_dim"].get<int>(), 163'840);
    EXPECT_THAT(message_of<ConfigError>([] { shape_facts("llama-3.1-8B"); }), HasSubstr("did you mean 'llama-3.1-8b'"));
}

}  // namespace
}  // namespace kvstone
