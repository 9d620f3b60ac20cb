// config.json of transformers: shapes and RoPE by old and new keys, and unknown keys by their names.

#include "harness/sources/model_config.hpp"

#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/sources/rope.hpp"
#include "harness/sources/shapes.hpp"
#include "tests/harness/dump_fixture.hpp"

namespace kvstone {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A small Llama with members replaced, or taken out where they are null here.
std::string config(Json const& changes = Json::object()) {
    Json whole{{"model_type", "llama"},    {"num_hidden_layers", 2}, {"num_attention_heads", 8},
               {"num_key_value_heads", 4}, {"hidden_size", 64},      {"rope_theta", 500000.0}};
    if (changes.is_object()) whole.merge_patch(changes);
    return whole.dump();
}
ModelConfig parsed(Json const& changes = Json::object()) { return parse_model_config(config(changes), "c"); }
std::string refused(Json const& changes) {
    return message_of<ConfigError>([&] { parsed(changes); });
}

TEST(ModelConfig, ReadsTheShape) {
    auto const own = parsed();
    EXPECT_EQ(own.layers, 2U);
    EXPECT_EQ(own.heads, 8U);
    EXPECT_EQ(own.kv_heads, 4U);
    EXPECT_EQ(own.head_dim, 8U);
    EXPECT_EQ(own.rope_base, 5e5);
    EXPECT_EQ(parsed({{"head_dim", 16}}).head_dim, 16U) << "which is no hidden_size over heads in Gemma and Qwen3";
    EXPECT_EQ(parsed({{"num_key_value_heads", nullptr}}).kv_heads, 8U);
    EXPECT_EQ(parsed({{"num_key_value_heads", nullptr}, {"multi_query", true}}).kv_heads, 1U);
    auto const gpt = parse_model_config(R"({"model_type":"gpt2","n_layer":6,"n_head":12,"n_embd":768})", "c");
    EXPECT_EQ(gpt.layers, 6U);
    EXPECT_EQ(gpt.kv_heads, 12U);
    EXPECT_EQ(gpt.head_dim, 64U);
    EXPECT_EQ(gpt.rope_base, 0);
    EXPECT_EQ(parse_model_config(R"({"model_type":"llava","text_config":)" + config() + "}", "c").layers, 2U);
}

TEST(ModelConfig, ReadsLatentAttentionAsServingEnginesCacheIt) {
    // DeepSeek-V3, but for its layers: one KV head of 512 + 64 channels; K's heads as such are said to have 128.
    Json const deepseek{{"model_type", "deepseek_v3"}, {"num_attention_heads", 128}, {"num_key_value_heads", 128},
                        {"hidden_size", 7168},         {"kv_lora_rank", 512},        {"qk_rope_head_dim", 64},
                        {"qk_nope_head_dim", 128},     {"v_head_dim", 128},          {"rope_theta", 10000}};
    auto const own = parsed(deepseek);
    EXPECT_EQ(own.heads, 128U);
    EXPECT_EQ(own.kv_heads, 1U);
    EXPECT_EQ(own.head_dim, 576U);
    EXPECT_EQ(own.latent, 512U);
    EXPECT_EQ(own.query_dim, 192U);
    EXPECT_EQ(own.rope.dims, 64U);
    EXPECT_TRUE(own.rope.interleaved);
    EXPECT_EQ(own.rope_problem, "");
    ScratchFolder const folder;
    auto facts = shape_facts(folder.write("config.json", config(deepseek)));
    facts["layers"] = 61;
    EXPECT_EQ(facts, shape_facts("deepseek-v3"));
    EXPECT_EQ(parsed().latent, 0U);
}

TEST(ModelConfig, ReadsRopeByOldAndNewKeys) {
    auto const rope = [](Json const& changes) { return parsed(changes).rope; };
    EXPECT_EQ(parsed().rope_problem, "");
    EXPECT_EQ(rope({}).base, 5e5);
    EXPECT_EQ(rope({}).dims, 8U);
    EXPECT_FALSE(rope({}).interleaved);
    EXPECT_EQ(rope({{"rope_theta", nullptr}}).base, 1e4) << "Llama 2's files leave it out";
    EXPECT_EQ(rope({{"partial_rotary_factor", 0.5}}).dims, 4U);
    Json const neox{
        {"model_type", "gpt_neox"}, {"rope_theta", nullptr}, {"rotary_emb_base", 2e4}, {"rotary_pct", 0.25}};
    EXPECT_EQ(rope(neox).dims, 2U);
    EXPECT_EQ(rope(neox).base, 2e4);
    auto const gptj = rope({{"model_type", "gptj"}, {"rotary_dim", 4}, {"rope_theta", nullptr}});
    EXPECT_TRUE(gptj.interleaved);
    EXPECT_EQ(gptj.dims, 4U);
    for (Json const& scaling : {Json{{"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}},
                                Json{{"rope_scaling", {{"rope_type", "linear"}, {"factor", 4.0}}}},
                                Json{{"rope_parameters", {{"rope_type", "linear"}, {"factor", 4.0}}}}}) {
        EXPECT_EQ(rope(scaling).scale, 0.25) << scaling;
        EXPECT_EQ(parsed(scaling).rope_problem, "") << scaling;
    }
    EXPECT_EQ(rope({{"rope_scaling", nullptr}}).scale, 1);
    Json const newer{
        {"rope_theta", nullptr},
        {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 1e6}, {"partial_rotary_factor", 0.5}}}};
    EXPECT_EQ(rope(newer).base, 1e6);
    EXPECT_EQ(rope(newer).dims, 4U);
    Json const alike{{"rope_parameters",
                      {{"full_attention", {{"rope_type", "default"}, {"rope_theta", 1e6}}},
                       {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 1e6}}}}}};
    EXPECT_EQ(rope(alike).base, 1e6);
    EXPECT_EQ(parsed(alike).rope_problem, "");
}

/// Four pairs of base 10^4: wavelengths 2 pi times 1, 10, 100, 1000. Within a context of 2 pi x 200 they turn 200, 20, 2
/// and 0.2 times: as before above 8 turns; slower by the factor below 1; and at 2, a seventh of the way from 1 to 8.
TEST(ModelConfig, ScalesLlama3ByWavelength) {
    Json const scaling{{"rope_theta", 1e4},
                       {"rope_scaling",
                        {{"rope_type", "llama3"},
                         {"factor", 8.0},
                         {"low_freq_factor", 1.0},
                         {"high_freq_factor", 8.0},
                         {"original_max_position_embeddings", 400 * std::numbers::pi}}}};
    auto const factors = parsed(scaling).rope.frequency_factors;
    ASSERT_EQ(factors.size(), 4U);
    EXPECT_DOUBLE_EQ(factors[0], 1);
    EXPECT_DOUBLE_EQ(factors[1], 1);
    EXPECT_NEAR(factors[2], 4, 1e-12);  // 1 / (6/7 / 8 + 1/7)
    EXPECT_DOUBLE_EQ(factors[3], 8);
    EXPECT_EQ(parsed(scaling).rope_problem, "");
}

TEST(ModelConfig, NamesWhatItDoesNotUnderstand) {
    auto const problem = [](Json const& changes) { return parsed(changes).rope_problem; };
    for (auto const* kind : {"yarn", "dynamic", "longrope", "su", "proportional"})
        EXPECT_THAT(problem({{"rope_scaling", {{"type", kind}, {"factor", 2.0}}}}), HasSubstr(kind));
    EXPECT_THAT(problem({{"rope_scaling", {{"type", "linear"}, {"factor", 2.0}, {"mrope_section", {1, 2}}}}}),
                HasSubstr("'mrope_section' of linear RoPE"));
    EXPECT_THAT(problem({{"model_type", "other"}}), HasSubstr("model_type 'other'"));
    EXPECT_THAT(problem({{"model_type", "mixtral"}, {"rope_theta", nullptr}}), HasSubstr("no rope_theta"));
    EXPECT_THAT(problem({{"rope_local_base_freq", 1e4}}), HasSubstr("differs between layers"));
    EXPECT_THAT(problem({{"no_rope_layers", {1, 0}}}), HasSubstr("layers without RoPE"));
    EXPECT_THAT(problem({{"rope_parameters",
                          {{"full_attention", {{"rope_theta", 1e6}}}, {"sliding_attention", {{"rope_theta", 1e4}}}}}}),
                HasSubstr("differs between layers"));
}

TEST(ModelConfig, RefusesWhatIsNoCacheOfKAndV) {
    EXPECT_THAT(refused({{"kv_lora_rank", 512}}), AllOf(HasSubstr("kv_lora_rank"), HasSubstr("qk_rope_head_dim")));
    EXPECT_THAT(refused({{"is_encoder_decoder", true}}), HasSubstr("encoder"));
    EXPECT_THAT(refused({{"layer_types", {"full_attention", "linear_attention"}}}), HasSubstr("layers of other kinds"));
    EXPECT_THAT(refused({{"num_kv_shared_layers", 2}}), HasSubstr("num_kv_shared_layers"));
    EXPECT_EQ(refused({{"layer_types", {"full_attention", "sliding_attention"}}, {"num_kv_shared_layers", 0}}), "");
    EXPECT_THAT(refused({{"num_hidden_layers", nullptr}}), HasSubstr("no number of layers"));
    EXPECT_THAT(refused({{"num_hidden_layers", "2"}}), HasSubstr("num_hidden_layers is no number from 1"));
    EXPECT_THAT(refused({{"num_hidden_layers", -2}}), HasSubstr("num_hidden_layers"));
    EXPECT_THAT(refused({{"num_key_value_heads", 3}}), HasSubstr("8 query heads are no multiple of 3 KV heads"));
    EXPECT_THAT(refused({{"hidden_size", 65}}), HasSubstr("no head_dim"));
    EXPECT_THAT(refused({{"rope_theta", 0.5}}), HasSubstr("below 1"));
    EXPECT_THAT(refused({{"rope_theta", "x"}}), HasSubstr("rope_theta is no number above 0"));
    EXPECT_THAT(refused({{"partial_rotary_factor", 0.4}}), HasSubstr("3 of 8 channels"));
    EXPECT_THAT(refused({{"rope_scaling", {{"type", "linear"}}}}), HasSubstr("no factor"));
    EXPECT_THAT(refused({{"rope_scaling", 4}}), HasSubstr("no map"));
    EXPECT_THAT(message_of<ConfigError>([] { parse_model_config("[]", "c"); }), HasSubstr("no JSON object"));
}

TEST(ModelConfig, AnyBytesAreReadOrRefused) {
    auto const good = config({{"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}});
    for (std::size_t length = 0; length < good.size(); ++length)
        EXPECT_THROW(parse_model_config(good.substr(0, length), "c"), ConfigError) << length;
    for (std::size_t at = 0; at < good.size(); ++at)
        for (int bit = 0; bit < 8; ++bit) {
            auto altered = good;
            altered[at] = static_cast<char>(altered[at] ^ (1 << bit));
            try {
                parse_model_config(altered, "c");
            } catch (ConfigError const&) {
            }
        }
}

TEST(ModelConfig, StandsForAShape) {
    ScratchFolder const folder;
    auto const path = folder.write("config.json", config());
    EXPECT_EQ(shape_facts(path),
              (Json{{"layers", 2}, {"heads", 8}, {"kv_heads", 4}, {"head_dim", 8}, {"rope_base", 5e5}}));
    EXPECT_EQ(rope_of_config(path), (Json{{"base", 5e5}, {"dims", 8}, {"interleaved", false}, {"scale", 1.0}}));
    EXPECT_THAT(message_of<ConfigError>([&] { shape_facts(folder / "absent.json"); }), HasSubstr("absent.json"));
    auto const gpt = folder.write("gpt.json", R"({"model_type":"gpt2","n_layer":6,"n_head":12,"n_embd":768})");
    EXPECT_THAT(message_of<ConfigError>([&] { rope_of_config(gpt); }), HasSubstr("a model without RoPE"));
    auto const yarn = folder.write("yarn.json", config({{"rope_scaling", {{"type", "yarn"}, {"factor", 4.0}}}}));
    EXPECT_THAT(message_of<ConfigError>([&] { rope_of_config(yarn); }),
                HasSubstr("not understood: RoPE scaled by 'yarn'"));
    EXPECT_EQ(shape_facts(yarn)["rope_base"], 5e5) << "a shape is one without the scaling, too";
}

TEST_F(Dump, TakesRopeFromItsSource) {
    Json const rope{{"base", 1e4}, {"dims", 2}, {"interleaved", false}, {"scale", 1.0}};
    auto const data = bytes_of<float>({1, 2});
    auto const path =
        folder_.write("k.safetensors", safetensors_bytes("{" + entry("k", "F32", "[1,1,1,2]", "[0,8]") + "}", data));
    EXPECT_FALSE(load(path).rope);
    auto const given = load(path, {{"rope", rope}}).rope;
    ASSERT_TRUE(given);
    EXPECT_EQ(to_json(*given), rope);
    auto const own = folder_.write(
        "own.safetensors",
        safetensors_bytes(R"({"__metadata__":{"rope":"{\"base\":5,\"dims\":2,\"interleaved\":false,\"scale\":1}"},)" +
                              entry("k", "F32", "[1,1,1,2]", "[0,8]") + "}",
                          data));
    EXPECT_THAT(Dump::refused(own, {{"rope", rope}}), HasSubstr("the file itself says the RoPE"));
}

}  // namespace
}  // namespace kvstone
