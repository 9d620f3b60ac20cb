#include "harness/inspection/inspect.hpp"

#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/captures/load_tensors.hpp"
#include "harness/sources/layout.hpp"
#include "harness/sources/layout_check.hpp"
#include "harness/sources/padding.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

HostTensor tensor_of(std::vector<float> values, KvShape const& shape) {
    auto const kept = std::make_shared<std::vector<float>>(std::move(values));
    return {ElementType::f32, shape, {kept, reinterpret_cast<std::byte const*>(kept->data())}};
}

KvTensors synthetic(char const* distribution = "llama") {
    Json const source{{"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 4},
                      {"head_dim", 64},      {"seed", 1},   {"distribution", distribution}};
    return load_tensors(source, Json::object(), 600, {.k = true, .v = true, .k_prerope = true, .q = false});
}

/// The tensor as it is read where the axes of its file are given as `layout`, though they are [head, token, dim].
HostTensor misread(HostTensor const& tensor, std::string const& layout, std::vector<std::uint64_t> const& axes) {
    auto const read = read_layout(layout, axes, false, "test");
    std::vector<float> values(tensor.shape.values());
    gather(read, read.shape.tokens, 4, tensor.bytes.get(), reinterpret_cast<std::byte*>(values.data()));
    return tensor_of(std::move(values), read.shape);
}

/// The tensor's values as a file has them that was written in another order, read as if it were in ours.
HostTensor mislaid(HostTensor const& tensor, std::string const& written) {
    auto const& shape = tensor.shape;
    auto const values = floats(tensor);
    std::vector<float> file(values.size());
    std::size_t from = 0;
    for (std::uint64_t l = 0; l < shape.layers; ++l) {
        for (std::uint64_t h = 0; h < shape.heads; ++h) {
            for (std::uint64_t t = 0; t < shape.tokens; ++t) {
                for (std::uint64_t c = 0; c < shape.dim; ++c, ++from) {
                    auto const place = written == "token head dim" ? (t * shape.heads + h) * shape.dim + c
                                                                   : (h * shape.dim + c) * shape.tokens + t;
                    file[l * shape.heads * shape.tokens * shape.dim + place] = values[from];
                }
            }
        }
    }
    return tensor_of(std::move(file), shape);
}

TEST(LayoutCheck, ConfirmsWhatIsReadAsItLies) {
    auto const tensors = synthetic();
    EXPECT_EQ(check_layout(*tensors.k).verdict, "confirmed");
    EXPECT_EQ(check_layout(*tensors.v).verdict, "confirmed");
}

/// An attention sink: one token with huge values in a few channels, in noise and in structured values.
TEST(LayoutCheck, AFewHugeValuesAreNoStructure) {
    for (auto const* distribution : {"normal", "llama"}) {
        auto const tensors = synthetic(distribution);
        for (auto const* tensor : {&tensors.k, &tensors.v}) {
            auto values = floats(**tensor);
            auto const before = check_layout(tensor_of(values, (*tensor)->shape)).verdict;
            for (std::size_t channel = 8; channel < 12; ++channel) values[channel] = -9e4F;
            EXPECT_EQ(check_layout(tensor_of(values, (*tensor)->shape)).verdict, before) << distribution;
        }
    }
}

TEST(LayoutCheck, SuspectsWhatLiesOtherwiseAndSaysHow) {
    auto const tensors = synthetic();
    for (auto const* tensor : {&*tensors.k, &*tensors.v}) {
        for (auto const* written : {"token head dim", "head dim token"}) {
            auto const check = check_layout(mislaid(*tensor, written));
            EXPECT_EQ(check.verdict, "suspect") << written;
            EXPECT_EQ(check.best_other, written);
            EXPECT_GT(check.as_best_other.sum(), check.as_read.sum());
        }
        auto const check = check_layout(misread(*tensor, "layer token head dim", {2, 600, 4, 64}));
        EXPECT_EQ(check.verdict, "suspect");
        EXPECT_THAT(check.best_other, HasSubstr("swapped"));
    }
}

/// The axes' lengths are right, their names are not: errors, and the right names.
TEST(LayoutCheck, FindsTheRightNamesOfAxes) {
    auto const tensors = synthetic();
    for (auto const* tensor : {&*tensors.k, &*tensors.v}) {
        for (auto const& [called, axes, right] :
             {std::tuple{"layer token head dim", std::vector<std::uint64_t>{2, 4, 600, 64}, "layer head token dim"}}) {
            auto const check = check_layout(misread(*tensor, called, axes));
            EXPECT_EQ(check.verdict, "suspect") << called;
            EXPECT_TRUE(check.contradicted) << called;
            EXPECT_EQ(renamed_layout(called, check.axes), right) << called << " to " << check.axes;
        }
        EXPECT_FALSE(check_layout(*tensor).contradicted);
        EXPECT_TRUE(check_layout(mislaid(*tensor, "token head dim")).contradicted);
    }
    EXPECT_EQ(renamed_layout("batch head token dim", "token head dim"), "batch token head dim");
    EXPECT_EQ(renamed_layout("batch token dim", "token head dim"), "") << "no token would be left";
    EXPECT_EQ(renamed_layout("head token dim", ""), "");
}

/// Room for 100 more tokens and 16 more channels, all 0, and each head twice: no order of these is the values' order.
TEST(LayoutCheck, PaddingAndRepeatedHeadsAreNoStructure) {
    auto const tensors = synthetic();
    for (auto const* tensor : {&*tensors.k, &*tensors.v}) {
        auto const& shape = tensor->shape;
        auto const values = floats(*tensor);
        KvShape const roomy{shape.layers, 2 * shape.heads, shape.tokens + 100, shape.dim + 16};
        std::vector<float> padded(roomy.values());
        for (std::uint64_t row = 0; row < roomy.layers * roomy.heads * shape.tokens; ++row) {
            auto const head = row / shape.tokens;
            auto const token = row % shape.tokens;
            std::copy_n(values.begin() + static_cast<std::ptrdiff_t>((head / 2 * shape.tokens + token) * shape.dim),
                        shape.dim,
                        padded.begin() + static_cast<std::ptrdiff_t>((head * roomy.tokens + token) * roomy.dim));
        }
        auto const bare = check_layout(*tensor);
        auto const check = check_layout(tensor_of(padded, roomy));
        EXPECT_EQ(check.verdict, bare.verdict);
        EXPECT_FALSE(check.contradicted);
        EXPECT_EQ(check.best_other, bare.best_other);
        EXPECT_DOUBLE_EQ(check.as_read.sum(), bare.as_read.sum());
        EXPECT_DOUBLE_EQ(check.as_best_other.sum(), bare.as_best_other.sum());
        auto const used = used_part(tensor_of(padded, roomy));
        EXPECT_EQ(used.tokens, shape.tokens);
        EXPECT_EQ(used.dim, shape.dim);
    }
    EXPECT_EQ(check_layout(tensor_of(std::vector<float>(64), {1, 2, 4, 8})).verdict, "undecided");
    EXPECT_EQ(used_part(tensor_of(std::vector<float>(64), {1, 2, 4, 8})).tokens, 0);
    EXPECT_EQ(used_part(tensor_of({0, 1, 0, 0, 0, 0}, {1, 1, 3, 2})).tokens, 1);
}

/// Of noise each order has some structure by chance, the more the fewer values there are: of 4 tokens and 32 channels .2 more
/// or less than another. 0.05, which decides of many, would decide of most of these.
TEST(LayoutCheck, FewValuesDecideNothing) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Json const source{{"kind", "synthetic"}, {"layers", 1},  {"kv_heads", 1},
                          {"head_dim", 32},      {"seed", seed}, {"distribution", "normal"}};
        auto const tensors = load_tensors(source, Json::object(), 4, {});
        EXPECT_EQ(check_layout(*tensors.k).verdict, "undecided") << seed;
        EXPECT_EQ(check_layout(*tensors.v).verdict, "undecided") << seed;
    }
}

/// Heads and channels by each other's names: values do not tell, their numbers do.
TEST(LayoutCheck, SuspectsMoreHeadsThanChannels) {
    auto const tensors = synthetic();
    for (auto const* tensor : {&*tensors.k, &*tensors.v}) {
        auto const check = check_layout(misread(*tensor, "layer dim token head", {2, 4, 600, 64}));
        EXPECT_EQ(check.verdict, "suspect");
        EXPECT_TRUE(check.more_heads_than_channels);
        EXPECT_FALSE(check.contradicted);
        EXPECT_EQ(renamed_layout("layer dim token head", check.axes), "layer head token dim");
        EXPECT_FALSE(check_layout(*tensor).more_heads_than_channels);
    }
    auto const noise = synthetic("normal");
    EXPECT_EQ(check_layout(misread(*noise.k, "layer dim token head", {2, 4, 600, 64})).verdict, "undecided");
}

TEST(LayoutCheck, NoiseDecidesNothing) {
    auto const tensors = synthetic("normal");
    EXPECT_EQ(check_layout(*tensors.k).verdict, "undecided");
    EXPECT_FALSE(check_layout(*tensors.k).contradicted);
    EXPECT_FALSE(check_layout(misread(*tensors.k, "layer token head dim", {2, 600, 4, 64})).contradicted);
    EXPECT_EQ(check_layout(mislaid(*tensors.k, "token head dim")).verdict, "undecided");
}

TEST(Inspect, CountsByHand) {
    KvTensors tensors;
    // One layer, two heads of two tokens and two channels; channel RMS 1, 2, 3 and 5.
    tensors.k = tensor_of({1, 2, -1, -2, 3, 5, 3, -5}, {1, 2, 2, 2});
    auto const facts = inspect(tensors)["k"];
    EXPECT_EQ(facts["min"], -5);
    EXPECT_EQ(facts["max"], 5);
    EXPECT_DOUBLE_EQ(facts["mean"].get<double>(), 0.75);
    EXPECT_DOUBLE_EQ(facts["rms"].get<double>(), std::sqrt(78.0 / 8));
    EXPECT_EQ(facts["zeros"], 0);
    auto const& layer = facts["by_layer"][0];
    EXPECT_DOUBLE_EQ(layer["channel_ratio"].get<double>(), 5.0 / 3);
    EXPECT_EQ(layer["outlier_channels"], 0);
    EXPECT_DOUBLE_EQ(layer["head_rms"][0].get<double>(), std::sqrt(2.5));
    EXPECT_DOUBLE_EQ(layer["head_rms"][1].get<double>(), std::sqrt(17.0));
}

/// Two heads of four tokens and three channels; the last channel and the last two tokens are 0 in both.
TEST(Inspect, TellsPaddingFromValues) {
    KvTensors tensors;
    tensors.k = tensor_of({1, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {1, 2, 4, 3});
    tensors.v = tensor_of({0, 1, 1, 0, 0, 0, 0, 0}, {1, 2, 2, 2});
    auto const facts = inspect(tensors);
    EXPECT_EQ(facts["k"]["padding"], (Json{{"channels", 1}, {"tokens", 2}, {"heads", 0}}));
    EXPECT_EQ(facts["v"]["padding"], (Json{{"channels", 0}, {"tokens", 0}, {"heads", 1}}));
    EXPECT_THAT(
        inspection_text(facts, {.columns = 200}),
        HasSubstr("padded: 0 throughout are the last 1 of 3 channels, the last 2 of 4 tokens (of a dump, `dim: 2, "
                  "tokens: 2` leaves them out)\n"));
    EXPECT_THAT(inspection_text(facts), HasSubstr("padded: 0 throughout are 1 heads of all layers\n"));
    tensors.k = tensor_of({0, 1, 1, 0}, {1, 1, 2, 2});
    EXPECT_FALSE(inspect(tensors)["k"].contains("padding"));
}

TEST(Inspect, FindsNarrowTypesInWideOnes) {
    auto const holds = [](std::vector<float> values) {
        KvTensors tensors;
        auto const count = values.size();
        tensors.v = tensor_of(std::move(values), {1, 1, count, 1});
        return inspect(tensors)["v"]["holds"].get<std::string>();
    };
    EXPECT_EQ(holds({1, -2.5F, 65504, 0x1p-24F, 0x1.8p-15F, 0}), "f16");
    EXPECT_EQ(holds({1, 65536}), "bf16");           // above the largest half
    EXPECT_EQ(holds({1, 0x1p-25F}), "bf16");        // below the least half
    EXPECT_EQ(holds({1, 0x1.008p-1F}), "f16");      // 9 bits of mantissa: too many for bf16
    EXPECT_EQ(holds({1, 0x1.002p0F}), "f32");       // 11 bits: too many for either
    EXPECT_EQ(holds({65536, 0x1.008p-1F}), "f32");  // neither alone takes both
    KvTensors tensors;
    tensors.v = tensor_of({1, 0x1.004p0F, -3}, {1, 1, 3, 1});  // a mantissa of 10 bits of 23
    auto const facts = inspect(tensors);
    EXPECT_EQ(facts["v"]["low_zero_bits"], 13);
    EXPECT_THAT(inspection_text(facts), HasSubstr("every value is exact in f16: the lowest 13 bits are 0"));
}

TEST(Inspect, StatesRopeAndWhatItDoesToK) {
    auto tensors = synthetic();
    auto facts = inspect(tensors);
    EXPECT_LT(facts["rope"]["error"].get<double>(), 1e-6);
    EXPECT_GT(facts["rope"]["mean_share_unrotated"].get<double>(), facts["rope"]["mean_share_rotated"].get<double>());
    auto const text = inspection_text(facts);
    EXPECT_THAT(text, HasSubstr("k: 2 layers x 4 heads x 600 tokens x 64 channels, f32, 1228800 bytes"));
    EXPECT_THAT(text, HasSubstr("rope: base 10000, 64 channels, half-split pairs"));
    EXPECT_THAT(text, HasSubstr("layout confirmed"));
    // A wrong base is seen.
    tensors.rope->base = 500;
    EXPECT_GT(inspect(tensors)["rope"]["error"].get<double>(), 0.1);
    tensors.rope.reset();
    EXPECT_THAT(inspection_text(inspect(tensors)), HasSubstr("rope: not stated"));
}

TEST(Inspect, ExplainsALatent) {
    Json const source{{"kind", "synthetic"}, {"layers", 1}, {"kv_heads", 1}, {"head_dim", 48}, {"latent", 32}};
    auto const facts = inspect(load_tensors(source, Json::object(), 100, {}));
    EXPECT_EQ(facts["latent"], (Json{{"channels", 32}, {"other_channels", 16}}));
    EXPECT_THAT(inspection_text(facts), HasSubstr("first 16 channels are those of RoPE, its last 32 the latent"));
}

}  // namespace
}  // namespace kvstone
