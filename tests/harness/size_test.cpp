// Sizes of whole models, budgets, and the studies' tables.

#include "harness/sizing/size.hpp"

#include <cmath>
#include <map>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/selection/selected_codec.hpp"
#include "harness/sizing/layer_bytes.hpp"
#include "harness/sizing/studies.hpp"
#include "harness/sources/known_models.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

SizeQuestion question(std::string const& model, std::vector<std::string> codecs, std::vector<std::uint64_t> contexts) {
    SizeQuestion asked;
    asked.cache = known_model(model);
    asked.codecs = std::move(codecs);
    asked.contexts = std::move(contexts);
    return asked;
}

/// A model of three layers, the second of which keeps 256 tokens, with a state.
SizeQuestion small_question(std::vector<std::string> codecs, std::vector<std::uint64_t> contexts) {
    SizeQuestion asked;
    asked.cache.name = "small";
    asked.cache.layers = 3;
    asked.cache.cached = {{2, 64, 64, 0}, {2, 64, 64, 256}, {2, 64, 64, 0}};
    asked.cache.states = {{2, 100, 0, 0}};
    asked.codecs = std::move(codecs);
    asked.contexts = std::move(contexts);
    return asked;
}
std::uint64_t layer_bytes(std::string const& codec, std::uint64_t tokens) {
    return LayerBytes(Codec::parse(codec), {2, 64, 64, 0}, ElementType::f16).encoded(tokens).all;
}

TEST(Size, AddsLayersWindowsAndStates) {
    auto const answer = size_of(small_question({"q8_0", "first_layers(2){fp16} rest{q4_0}"}, {100, 2000}));
    ASSERT_EQ(answer.rows.size(), 4U);
    auto const& row = answer.rows[1];
    EXPECT_EQ(row.codec_name, "q8_0");
    EXPECT_EQ(row.context, 2000U);
    EXPECT_EQ(row.sequence.growing, 2 * layer_bytes("q8_0", 2000));
    EXPECT_EQ(row.sequence.window, layer_bytes("q8_0", 256));
    EXPECT_EQ(row.sequence.state, 400U);
    EXPECT_EQ(row.growth_bytes_a_token, 2 * 2.0 * 2 * 2 * 34);
    EXPECT_EQ(answer.rows[0].sequence.window, layer_bytes("q8_0", 100));
    // Rules about layers: the first and the second are fp16, the third is not.
    // A container's header has its layer's rules.
    auto const of_layer = [&](std::uint64_t layer, std::uint64_t tokens) {
        auto const codec = Codec::parse(answer.rows[3].codec).of_layer(layer, 3);
        return LayerBytes(codec, {2, 64, 64, 0}, ElementType::f16).encoded(tokens).all;
    };
    EXPECT_EQ(of_layer(2, 2000), layer_bytes("q4_0", 2000));
    EXPECT_EQ(answer.rows[3].sequence.growing, of_layer(0, 2000) + of_layer(2, 2000));
    EXPECT_EQ(answer.rows[3].sequence.window, of_layer(1, 256));
    EXPECT_EQ(answer.rows[3].growth_bytes_a_token, 2.0 * 2 * 64 * 2 + 2.0 * 2 * 2 * 18);
}

/// A cache of one layer after the other, as SelectedCodec stores it: of layers that keep other numbers each by itself.
std::uint64_t stored_selection(std::string const& text, std::uint64_t layers, std::uint64_t tokens) {
    auto const codec = Codec::parse(text);
    auto const& keep = *codec.selection();
    auto const counts = kept_counts(keep, layers, tokens);
    constexpr std::uint64_t heads = 2, dim = 64;
    auto const same = same_tokens(keep);
    std::vector<std::vector<std::uint32_t>> lists;
    for (std::uint64_t layer = 0; layer < (same == SameTokens::all ? 1 : layers); ++layer)
        for (std::uint64_t head = 0; head < (same == SameTokens::head ? heads : 1); ++head) {
            auto& list = lists.emplace_back(counts[layer]);
            std::iota(list.begin(), list.end(), 0U);
        }
    std::vector<_Float16> values(layers * heads * tokens * dim, static_cast<_Float16>(0.5F));
    KvShape const shape{layers, heads, tokens, dim};
    KvView const view{values.data(), ElementType::f16, shape, KvStrides::packed(shape)};
    return SelectedCodec(codec, BackendKind::openmp)
        .encode({view, view}, Selection(same, layers, heads, tokens, std::move(lists)))
        .bytes.size();
}

TEST(Size, KeptTokensAndTheirMaskAreArithmetic) {
    auto const small = [](std::string const& codec, std::uint64_t layers, std::uint64_t context) {
        SizeQuestion asked;
        asked.cache.name = "small";
        asked.cache.layers = layers;
        asked.cache.cached.assign(layers, {2, 64, 64, 0});
        asked.codecs = {codec};
        asked.contexts = {context};
        return size_of(asked).rows.at(0);
    };
    for (std::uint64_t const context : {100U, 333U, 1024U, 2001U}) {
        for (auto const* keep : {"streaming,share=0.5", "streaming,share=0.29", "knorm,share=0.9,window=8",
                                 "snapkv,share=0.9,window=8,over=layer", "h2o,share=0.37,window=8,over=all",
                                 "pyramid,share=0.5,window=2", "knorm,share=1"})
            for (auto const* behind : {"q8_0", "int:bits=4,axis=token,group=32", "sink(4){fp16} rest{q4_0}"}) {
                auto const codec = fmt::format("keep:policy={} | {}", keep, behind);
                auto const row = small(codec, 1, context);
                EXPECT_EQ(row.why_not, "") << codec;
                EXPECT_EQ(row.sequence.growing, stored_selection(codec, 1, context)) << codec << " of " << context;
                EXPECT_FALSE(row.depends_on_values);
            }
        for (auto const* over : {"head", "layer"}) {
            auto const codec = fmt::format("keep:policy=pyramid,share=0.5,sink=0,window=2,over={} | q8_0", over);
            EXPECT_EQ(small(codec, 3, context).sequence.growing, stored_selection(codec, 3, context)) << codec;
        }
    }
    // 34 bytes of every 32 values, of half of the tokens, and a bit for each token of each list.
    for (auto const& [over, lists] : {std::pair{"head", 6}, {"layer", 3}, {"all", 1}}) {
        auto const row = small(fmt::format("keep:policy=knorm,share=0.5,over={} | q8_0", over), 3, 4096);
        EXPECT_NEAR(row.growth_bytes_a_token, 0.5 * 3 * 2 * 2 * 2 * 34 + lists / 8.0, 1e-5) << over;
    }
    EXPECT_THAT(small("keep:policy=knorm,share=0.5 | q8_0", 1, 100).why_not,
                HasSubstr("50 of 100 tokens stay by their share, fewer than the first 4 and the last 64"));
    EXPECT_THAT(small("keep:policy=knorm,share=0.5 | k{unrope | raw} v{raw}", 1, 1000).why_not,
                HasSubstr("needs the positions of tokens"));
    auto const sliding = size_of(small_question({"keep:policy=streaming,share=0.5 | q8_0"}, {200, 300}));
    EXPECT_EQ(sliding.rows.at(0).why_not, "");
    EXPECT_THAT(sliding.rows.at(1).why_not, HasSubstr("layers of this model keep the last tokens alone"));
}

/// The longest context of a budget has the last bytes that fit.
TEST(Size, ABudgetOfKeptTokensIsUsedUp) {
    SizeQuestion asked;
    asked.cache.name = "small";
    asked.cache.layers = 1;
    asked.cache.cached = {{2, 64, 64, 0}};
    asked.codecs = {"keep:policy=knorm,share=0.5,window=8 | q8_0"};
    asked.contexts = {1000};
    asked.budget_bytes = 1'000'000;
    auto const longest = size_of(asked).rows.at(0).longest_context;
    ASSERT_TRUE(longest);
    asked.contexts = {*longest, *longest + 64};
    auto const rows = size_of(asked).rows;
    EXPECT_LE(rows[0].sequence.all(), *asked.budget_bytes);
    EXPECT_GT(rows[1].sequence.all(), *asked.budget_bytes);
    asked.budget_bytes = 500;
    asked.contexts = {1000};
    EXPECT_EQ(size_of(asked).rows.at(0).longest_context, 0U) << "no prompt of which the share is large enough";
}

TEST(Size, SharesADevicesPart) {
    auto asked = question("llama-3.1-8b", {"fp16"}, {8192});
    asked.batch = 4;
    asked.devices = 4;
    auto const row = size_of(asked).rows.at(0);
    // Headers of 32 x 2 containers of 104 bytes stand on every device.
    constexpr std::uint64_t headers = 32 * 2 * 104;
    EXPECT_EQ(row.sequence.all(), 131'072U * 8192 + headers);
    EXPECT_EQ(row.batch_bytes, 4 * row.sequence.all());
    EXPECT_EQ(row.device_bytes, 4 * (131'072U * 8192 / 4 + headers));
    asked.devices = 16;
    EXPECT_EQ(size_of(asked).rows.at(0).device_bytes, 4 * (131'072U * 8192 / 8 + headers)) << "a head on two devices";
    auto latent = question("deepseek-v3", {"fp16"}, {1000});
    latent.devices = 8;
    auto const whole = size_of(latent).rows.at(0);
    EXPECT_EQ(whole.device_bytes, whole.batch_bytes);
}

TEST(Size, CountsWhatABudgetHolds) {
    auto asked = small_question({"raw", "q4_0", "balanced"}, {1000});
    asked.batch = 3;
    asked.budget_bytes = 4'000'000;
    for (auto const& row : size_of(asked).rows) {
        auto const fits = [&](std::uint64_t tokens) {
            auto const of_batch = 3 * (2 * layer_bytes(row.codec, tokens) +
                                       layer_bytes(row.codec, std::min<std::uint64_t>(tokens, 256)) + 400);
            return of_batch <= 4'000'000;
        };
        ASSERT_TRUE(row.longest_context) << row.codec;
        EXPECT_TRUE(fits(*row.longest_context)) << row.codec;
        EXPECT_FALSE(fits(*row.longest_context + 1)) << row.codec;
        EXPECT_EQ(row.sequences, 4'000'000 / row.sequence.all()) << row.codec;
        EXPECT_EQ(row.models, 4'000'000 / (3 * row.sequence.all())) << row.codec;
    }
    // Windows alone end growing.
    auto mistral = question("mistral-7b", {"fp16"}, {32'768});
    mistral.budget_bytes = std::uint64_t{1} << 30;
    EXPECT_FALSE(size_of(mistral).rows.at(0).longest_context);
    // 512 MiB and headers: only one.
    EXPECT_EQ(size_of(mistral).rows.at(0).sequences, 1U);
    mistral.budget_bytes = 1000;
    EXPECT_EQ(size_of(mistral).rows.at(0).longest_context, 0U) << "not even one token";
}

TEST(Size, ShowsWhatDoesNotFitAndGoesOn) {
    auto asked = small_question(
        {"layers(7){fp16} rest{q8_0}", "lowrank:rank=0.5,basis=random,over=layers,layers=3 | fp16", "fp16"}, {64});
    auto const answer = size_of(asked);
    ASSERT_EQ(answer.rows.size(), 3U);
    EXPECT_THAT(answer.rows[0].why_not, HasSubstr("names layers that the tensor does not have: '7'"));
    EXPECT_THAT(answer.rows[1].why_not, HasSubstr("merges layers"));
    EXPECT_EQ(answer.rows[2].why_not, "");
    EXPECT_THAT(size_answer_text(answer, {.columns = 300}), HasSubstr(answer.rows[1].why_not));
    EXPECT_EQ(size_answer_json(answer)["sizes"][1]["why_not"], answer.rows[1].why_not);
    EXPECT_THAT(message_of<ConfigError>([&] { size_of(small_question({"fp17"}, {64})); }), HasSubstr("fp17"));
    asked.devices = 3;
    EXPECT_THAT(message_of<ConfigError>([&] { size_of(asked); }),
                HasSubstr("2 KV heads of small do not come out even"));
}

TEST(Size, PrintsWhatWasAsked) {
    auto asked = question("gemma-3-27b", {"fp16"}, {131'072});
    auto const text = size_answer_text(size_of(asked));
    EXPECT_THAT(text, HasSubstr("gemma-3-27b (google/gemma-3-27b-it)\n"));
    EXPECT_THAT(text,
                HasSubstr("62: 52 with K of 128 and V of 128 values in 16 KV heads, the last 1024 tokens; 10 with K"));
    EXPECT_THAT(text, HasSubstr("growth    40960 values a token, 81920 bytes as f16\n"));
    EXPECT_THAT(text, HasSubstr("10.00 GiB"));
    EXPECT_THAT(text, HasSubstr("416.01 MiB"));
    EXPECT_THAT(text, HasSubstr("10.41 GiB"));
    EXPECT_THAT(text, Not(HasSubstr("sequences")));
    asked.budget_bytes = std::uint64_t{64} << 30;
    auto const json = size_answer_json(size_of(asked));
    EXPECT_EQ(json["growth_values_per_token"], 40'960);
    EXPECT_EQ(json["sizes"][0]["sequences"], 6);
    EXPECT_EQ(json["cached"][1],
              (Json{{"layers", 10}, {"kv_heads", 16}, {"k_dim", 128}, {"v_dim", 128}, {"most_tokens", nullptr}}));
}

/// Lines by their subject.
std::map<std::string, StudyLine> lines_of(std::string const& study) {
    std::map<std::string, StudyLine> lines;
    for (auto const& line : study_of(study).lines) lines[line.what] = line;
    return lines;
}

TEST(Studies, A9FromTheShape) {
    auto lines = lines_of("a9");
    auto const expect = [&](std::string const& words, double models, double tokens, double gb) {
        EXPECT_EQ(lines["models in 64 GB, " + words].computed, models);
        EXPECT_EQ(lines["tokens in 3.2 GB, " + words].computed, tokens);
        // Headers of 160 containers, at most 200 bytes each.
        EXPECT_NEAR(lines["cache of 2048 tokens, " + words].computed, gb, 32e-6);
    };
    // 80 x 2 x 8 x 128 x 2048 values.
    expect("fp32", 47, 4882, 1.342177280);
    expect("fp16", 95, 9765, 0.671088640);
    expect("int8", 190, 19'531, 0.335544320);
    EXPECT_EQ(lines["models in 64 GB, fp32"].claimed, 20);
    EXPECT_EQ(lines["cache of 2048 tokens, fp32"].claimed, 3.2);
}

TEST(Studies, D5FromTheShape) {
    auto lines = lines_of("d5");
    EXPECT_NEAR(lines["cache, fp32"].computed, 10.00, 4e-5);
    // 4.126953125 of 32 bits.
    EXPECT_NEAR(lines["cache, NF4 with double quantisation"].computed, 10 * 4.126953125 / 32, 4e-5);
    EXPECT_EQ(lines["cache, NF4 with double quantisation"].claimed, 2.5);
    EXPECT_EQ(lines["the same, a byte a code and no scales"].computed, 2.5);
}

TEST(Studies, D6FromTheShape) {
    auto lines = lines_of("d6");
    EXPECT_EQ(lines["bytes of an entry, fp32"].computed, 8'388'608);
    EXPECT_EQ(lines["entries, fp32"].computed, 2384);
    EXPECT_EQ(lines["entries, fp32, headers included"].computed, 2384);
    EXPECT_EQ(lines["bytes of an entry, NF4"].computed, 1'081'856);
    EXPECT_EQ(lines["entries, NF4 with double quantisation"].computed, 18'486);
    // Of a container 80 bytes, the text "nf4", the formats "nf4=1" and 8 for each of three planes.
    EXPECT_EQ(lines["the same, headers included"].computed, std::floor(20e9 / (1'081'856 + 2 * 112)));
    EXPECT_NEAR(lines["4 requests, 90% hits: times as fast"].computed, 8.47, 0.005);
    EXPECT_NEAR(lines["50 requests, 5 misses: times as fast"].computed, 8.47, 0.005);
    auto const text = study_text(study_of("d6"));
    EXPECT_THAT(text, HasSubstr("claimed"));
    EXPECT_THAT(text, HasSubstr("2400       2384       -0.7%  2,400 is rounded\n"));
    EXPECT_EQ(study_json(study_of("d6"))["lines"][1]["claimed"], 2400.0);
    EXPECT_THAT(message_of<ConfigError>([] { study_of("z1"); }), HasSubstr("a9"));
}

}  // namespace
}  // namespace kvstone
