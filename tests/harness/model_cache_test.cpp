// Caches of models, from their config.json: figures worked out by hand, every way of writing it, and refusals by name.

#include "harness/sources/model_cache.hpp"

#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/sources/config_cache.hpp"
#include "harness/sources/config_keys.hpp"
#include "harness/sources/known_models.hpp"
#include "harness/sources/shapes.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t bytes_of_half = 2;

TEST(KnownModels, GrowByWhatTheirLayersKeep) {
    // 2 x KV heads x head_dim x 2 bytes of every layer that keeps all tokens.
    std::map<std::string, std::uint64_t> const bytes_a_token{{"llama-65b", 2'621'440},
                                                             {"llama-3.1-8b", 131'072},
                                                             {"llama-3.1-70b", 327'680},
                                                             {"llama-3.1-405b", 516'096},
                                                             {"llama-3.3-70b", 327'680},
                                                             {"llama-4-scout", 49'152},
                                                             {"mistral-7b", 0},
                                                             {"mixtral-8x7b", 131'072},
                                                             {"mixtral-8x22b", 229'376},
                                                             {"qwen3-0.6b", 114'688},
                                                             {"qwen3-8b", 147'456},
                                                             {"qwen3-32b", 262'144},
                                                             {"qwen3-30b-a3b", 98'304},
                                                             {"qwen3-235b-a22b", 192'512},
                                                             {"qwen3-next-80b-a3b", 24'576},
                                                             {"qwen3.5-27b", 65'536},
                                                             {"deepseek-v3", 70'272},
                                                             {"kimi-k2", 70'272},
                                                             {"gpt-oss-20b", 24'576},
                                                             {"gpt-oss-120b", 36'864},
                                                             {"gemma-2-2b", 53'248},
                                                             {"gemma-2-9b", 172'032},
                                                             {"gemma-2-27b", 188'416},
                                                             {"gemma-3-1b", 4'096},
                                                             {"gemma-3-4b", 20'480},
                                                             {"gemma-3-12b", 65'536},
                                                             {"gemma-3-27b", 81'920},
                                                             {"gemma-3n-e4b", 8'192},
                                                             {"phi-3-mini", 0},
                                                             {"phi-3-medium", 0},
                                                             {"jamba-v0.1", 16'384},
                                                             {"nemotron-h-56b", 40'960},
                                                             {"falcon-h1-7b", 45'056}};
    std::set<std::string> names;
    for (auto const& model : known_models()) {
        ASSERT_TRUE(bytes_a_token.contains(model.name)) << model.name;
        EXPECT_EQ(bytes_of_half * model.growth_values(), bytes_a_token.at(model.name)) << model.name;
        EXPECT_TRUE(names.insert(model.name).second) << model.name << " stands twice";
        EXPECT_GT(model.max_tokens, 0U) << model.name;
        EXPECT_THAT(model.source, HasSubstr("/")) << model.name;
    }
    EXPECT_EQ(names.size(), bytes_a_token.size());
}

TEST(KnownModels, AreTheShapesOfSourcesWhereBothHaveThem) {
    int both = 0;
    for (auto const& model : known_models())
        for (auto const& shape : model_shapes()) {
            if (shape.name != model.name) continue;
            ++both;
            EXPECT_EQ(model.layers, shape.layers) << model.name;
            for (auto const& layer : model.cached) {
                EXPECT_EQ(layer.kv_heads, shape.kv_heads) << model.name;
                EXPECT_EQ(layer.k_dim, shape.head_dim) << model.name;
                EXPECT_EQ(layer.v_dim, shape.latent == 0 ? shape.head_dim : 0) << model.name;
            }
        }
    EXPECT_GT(both, 15);
    // Of the shapes alone.
    auto const tinyllama = known_model("tinyllama-1.1b");
    EXPECT_EQ(tinyllama.growth_values(), 22U * 2 * 4 * 64);
    EXPECT_EQ(known_model("deepseek-v2").growth_values(), 60U * (512 + 64));
    EXPECT_THAT(message_of<ConfigError>([] { known_model("llama-3.1-8B"); }),
                HasSubstr("unknown model: 'llama-3.1-8B'; accepted: "));
}

TEST(KnownModels, KeepWindowsAndStatesApart) {
    auto const gemma = known_model("gemma-3-1b");
    // 26 layers, every 6th full: 4 and 22 of 1 head of 256, the latter for 512 tokens.
    EXPECT_EQ(gemma.window_values(32'768), 22U * 2 * 256 * 512);
    EXPECT_EQ(gemma.window_values(100), 22U * 2 * 256 * 100) << "a text shorter than the window";
    EXPECT_EQ(bytes_of_half * (gemma.growth_values() * 32'768 + gemma.window_values(32'768)), 139U << 20);
    auto const large = known_model("gemma-3-27b");
    // 10.00 GiB and 416 MiB.
    EXPECT_EQ(bytes_of_half * (large.growth_values() * 131'072 + large.window_values(131'072)),
              (std::uint64_t{10} << 30) + (std::uint64_t{416} << 20));
    auto const scout = known_model("llama-4-scout");
    EXPECT_EQ(scout.window_values(1 << 20), 36U * 2 * 8 * 128 * 8192);
    auto const shared = known_model("gemma-3n-e4b");
    EXPECT_EQ(shared.cached.size(), 20U);
    EXPECT_EQ(shared.shared, 15U);
    EXPECT_EQ(shared.window_values(512), 16U * 2 * 2 * 256 * 512);
    EXPECT_EQ(bytes_of_half * known_model("deepseek-v3").growth_values() * 163'840, 11'513'364'480U) << "10.72 GiB";
    EXPECT_EQ(bytes_of_half * known_model("qwen3.5-27b").growth_values() * 262'144, std::uint64_t{16} << 30);
}

TEST(KnownModels, HaveStatesOfTheirSize) {
    // 36 layers: 32 value heads of 128 x 128, and 3 inputs of a convolution over 16 x 128 queries, as many keys, 32 x 128 values.
    EXPECT_EQ(known_model("qwen3-next-80b-a3b").state_values(), 36U * (32 * 128 * 128 + 3 * (2 * 16 * 128 + 32 * 128)));
    EXPECT_EQ(known_model("qwen3-next-80b-a3b").state_values(), 19'759'104U);
    EXPECT_EQ(known_model("qwen3.5-27b").state_values(), 39'223'296U);
    // Mamba: 8,192 channels with 16 values and 3 inputs, in 28 of 32 layers.
    EXPECT_EQ(known_model("jamba-v0.1").state_values(), 28U * 8192 * (16 + 3));
    // Mamba-2: 256 heads of 64 x 256, 3 inputs of x and of B and C of 8 groups, in 54 of 118 layers.
    EXPECT_EQ(known_model("nemotron-h-56b").state_values(), 54U * (256 * 64 * 256 + 3 * (256 * 64 + 2 * 8 * 256)));
    EXPECT_EQ(known_model("nemotron-h-56b").cached.size(), 10U);
    // Attention and Mamba-2 side by side in all 44 layers.
    EXPECT_EQ(known_model("falcon-h1-7b").cached.size(), 44U);
    EXPECT_EQ(known_model("falcon-h1-7b").state_values(), 44U * (24 * 128 * 256 + 3 * (24 * 128 + 2 * 256)));
    EXPECT_EQ(known_model("llama-3.1-8b").state_values(), 0U);
}

/// A small Llama with members replaced, or taken out where they are null here.
Json config(Json const& changes = Json::object()) {
    Json whole{{"model_type", "llama"},    {"num_hidden_layers", 4}, {"num_attention_heads", 8},
               {"num_key_value_heads", 4}, {"hidden_size", 64},      {"attention_bias", false},
               {"use_cache", true},        {"rms_norm_eps", 1e-5}};
    whole.merge_patch(changes);
    return whole;
}
/// As it is read from a file, where whole numbers have no sign.
ModelCache cache_of_text(Json const& whole) { return cache_of_config(text_config_of(whole.dump(), "c"), "c"); }
ModelCache cache(Json const& changes = Json::object()) { return cache_of_text(config(changes)); }
std::string refused(Json const& changes) {
    return message_of<ConfigError>([&] { cache(changes); });
}
/// Of each layer that keeps K and V, the tokens it keeps.
std::vector<std::uint64_t> windows(Json const& changes) {
    std::vector<std::uint64_t> tokens;
    for (auto const& layer : cache(changes).cached) tokens.push_back(layer.most_tokens);
    return tokens;
}
using Windows = std::vector<std::uint64_t>;

TEST(ConfigCache, ReadsDimensions) {
    EXPECT_EQ(cache().cached, (std::vector<CachedLayer>(4, {4, 8, 8, 0})));
    EXPECT_EQ(cache({{"head_dim", 16}}).cached[0], (CachedLayer{4, 16, 16, 0})) << "head_dim comes first";
    EXPECT_EQ(cache({{"head_dim", 24}, {"v_head_dim", 16}}).cached[0], (CachedLayer{4, 24, 16, 0}));
    EXPECT_EQ(cache({{"num_key_value_heads", nullptr}}).cached[0].kv_heads, 8U);
    EXPECT_EQ(cache({{"num_key_value_heads", nullptr}, {"multi_query", true}}).cached[0].kv_heads, 1U);
    EXPECT_EQ(cache({{"max_position_embeddings", 4096}}).max_tokens, 4096U);
    Json const gpt{{"model_type", "gpt2"}, {"n_layer", 6}, {"n_head", 12}, {"n_embd", 768}, {"n_positions", 1024}};
    EXPECT_EQ(cache_of_text(gpt).growth_values(), 6U * 2 * 12 * 64);
    Json const latent{
        {"kv_lora_rank", 32}, {"qk_rope_head_dim", 8}, {"v_head_dim", 16}, {"num_nextn_predict_layers", 1}};
    EXPECT_EQ(cache(latent).cached[0], (CachedLayer{1, 40, 0, 0})) << "once, and no V";
    EXPECT_THAT(cache(latent).notes.at(0), HasSubstr("num_nextn_predict_layers of 1: not counted"));
}

TEST(ConfigCache, FindsTheTextModel) {
    ScratchFolder const folder;
    auto const path =
        folder.write("config.json", Json{{"model_type", "x"}, {"text_config", config({{"head_dim", 32}})}}.dump());
    auto const read = read_config_cache(path);
    EXPECT_EQ(read.cached[0].k_dim, 32U);
    EXPECT_EQ(read.name, path);
    EXPECT_THAT(message_of<ConfigError>([&] { read_config_cache(folder / "absent.json"); }), HasSubstr("absent.json"));
    auto const list = folder.write("list.json", "[]");
    EXPECT_THAT(message_of<ConfigError>([&] { read_config_cache(list); }), HasSubstr("no JSON object"));
}

TEST(ConfigCache, ReadsWindows) {
    EXPECT_EQ(windows({{"layer_types", {"sliding_attention", "full_attention", "sliding_attention", "full_attention"}},
                       {"sliding_window", 16}}),
              (Windows{16, 0, 16, 0}));
    EXPECT_EQ(windows({{"sliding_window", 16}, {"sliding_window_pattern", 2}}), (Windows{16, 0, 16, 0}));
    EXPECT_EQ(windows({{"sliding_window", 16}, {"sliding_window_pattern", 3}}), (Windows{16, 16, 0, 16}));
    EXPECT_EQ(windows({{"sliding_window", 16}, {"model_type", "gemma2"}}), (Windows{16, 0, 16, 0}));
    EXPECT_EQ(windows({{"sliding_window", 16}, {"model_type", "gpt_oss"}}), (Windows{16, 0, 16, 0}));
    EXPECT_EQ(windows({{"sliding_window", 16}, {"model_type", "cohere2"}}), (Windows{16, 16, 16, 0}));
    EXPECT_EQ(windows({{"sliding_window", 16}, {"model_type", "gemma3_text"}}), (Windows{16, 16, 16, 16}));
    EXPECT_EQ(windows({{"sliding_window", 16}, {"model_type", "mistral"}}), (Windows{16, 16, 16, 16}));
    Json qwen{{"sliding_window", 16}, {"model_type", "qwen2"}, {"use_sliding_window", true}, {"max_window_layers", 3}};
    EXPECT_EQ(windows(qwen), (Windows{0, 0, 0, 16}));
    qwen["use_sliding_window"] = false;
    EXPECT_EQ(windows(qwen), (Windows{0, 0, 0, 0}));
    // Gemma 3's files of 4B leave out the defaults of its class.
    Json const defaults{{"model_type", "gemma3_text"},    {"num_attention_heads", nullptr},
                        {"num_key_value_heads", nullptr}, {"hidden_size", 2560},
                        {"num_hidden_layers", 34},        {"sliding_window", 1024}};
    EXPECT_EQ(cache(defaults).growth_values(), 10'240U);
}

TEST(ConfigCache, ReadsChunks) {
    EXPECT_EQ(windows({{"model_type", "llama4_text"}, {"attention_chunk_size", 32}}), (Windows{32, 32, 32, 0}));
    EXPECT_EQ(windows({{"attention_chunk_size", 32}, {"no_rope_layer_interval", 2}}), (Windows{32, 0, 32, 0}));
    EXPECT_EQ(windows({{"attention_chunk_size", 32}, {"no_rope_layers", {0, 1, 1, 0}}}), (Windows{0, 32, 32, 0}));
    EXPECT_EQ(
        windows({{"attention_chunk_size", 32},
                 {"layer_types", {"chunked_attention", "chunked_attention", "full_attention", "full_attention"}}}),
        (Windows{32, 32, 0, 0}));
}

TEST(ConfigCache, ReadsHybrids) {
    Json const linear{{"linear_num_key_heads", 2},
                      {"linear_num_value_heads", 4},
                      {"linear_key_head_dim", 8},
                      {"linear_value_head_dim", 16},
                      {"linear_conv_kernel_dim", 4}};
    auto const of = [](Json changes, Json const& more) {
        changes.update(more);
        return cache(changes);
    };
    // A state of 4 x 8 x 16 values, and 3 inputs of 2 x 8 queries and keys each and of 4 x 16 values.
    constexpr std::uint64_t linear_values = 4 * 8 * 16 + 3 * (2 * 2 * 8 + 4 * 16);
    auto const every_second = of(linear, {{"full_attention_interval", 2}});
    EXPECT_EQ(every_second.cached.size(), 2U);
    EXPECT_EQ(every_second.state_values(), 2 * linear_values);
    EXPECT_EQ(of(linear, {{"model_type", "qwen3_next"}}).states.size(), 3U) << "every 4th layer is full";
    EXPECT_EQ(of(linear, {{"layer_types", {"linear_attention", "full_attention", "full_attention", "full_attention"}}})
                  .state_values(),
              linear_values);

    Json const kimi{{"kv_lora_rank", 32},
                    {"qk_rope_head_dim", 8},
                    {"linear_attn_config",
                     {{"full_attn_layers", {4}},
                      {"kda_layers", {1, 2, 3}},
                      {"num_heads", 2},
                      {"head_dim", 8},
                      {"short_conv_kernel_size", 4}}}};
    EXPECT_EQ(cache(kimi).cached, (std::vector<CachedLayer>{{1, 40, 0, 0}}));
    EXPECT_EQ(cache(kimi).state_values(), 3U * 2 * (8 * 8 + 3 * 3 * 8));

    Json const mamba{{"mamba_d_state", 16}, {"mamba_d_conv", 4}, {"mamba_expand", 2}};
    auto const jamba = of(mamba, {{"attn_layer_period", 4}, {"attn_layer_offset", 0}});
    EXPECT_EQ(jamba.cached.size(), 1U);
    EXPECT_EQ(jamba.state_values(), 3U * 128 * (16 + 3));

    Json const mamba_2{
        {"mamba_n_heads", 4}, {"mamba_d_state", 16}, {"mamba_d_conv", 4}, {"mamba_n_groups", 1}, {"mamba_expand", 2}};
    // 128 channels in 4 heads, 3 inputs of them and of B and C.
    constexpr std::uint64_t mamba_values = 128 * 16 + 3 * (128 + 2 * 16);
    auto const bamba = of(mamba_2, {{"attn_layer_indices", {1, 2}}});
    EXPECT_EQ(bamba.cached.size(), 2U);
    EXPECT_EQ(bamba.state_values(), 2 * mamba_values);
    auto const falcon = of(mamba_2, {{"model_type", "falcon_h1"}, {"mamba_d_ssm", 64}});
    EXPECT_EQ(falcon.cached.size(), 4U);
    EXPECT_EQ(falcon.state_values(), 4U * (64 * 16 + 3 * (64 + 2 * 16)));
    EXPECT_EQ(of(mamba_2, {{"layer_types", {"mamba", "attention", "mamba", "mamba"}}}).state_values(),
              3 * mamba_values);

    Json const nemotron{{"hybrid_override_pattern", "M-*E"},
                        {"mamba_num_heads", 4},
                        {"mamba_head_dim", 32},
                        {"ssm_state_size", 16},
                        {"n_groups", 1},
                        {"conv_kernel", 4},
                        {"attention_head_dim", 16}};
    EXPECT_EQ(cache(nemotron).cached, (std::vector<CachedLayer>{{4, 16, 16, 0}}));
    EXPECT_EQ(cache(nemotron).state_values(), mamba_values);
}

TEST(ConfigCache, ReadsSharedAndGlobalLayers) {
    EXPECT_EQ(cache({{"num_kv_shared_layers", 1}}).cached.size(), 3U);
    EXPECT_EQ(cache({{"num_kv_shared_layers", 0}}).cached.size(), 4U);
    // Gemma 4: full layers have heads of their own size and number.
    Json const gemma{{"model_type", "gemma4_text"},
                     {"layer_types", {"sliding_attention", "full_attention", "sliding_attention", "full_attention"}},
                     {"sliding_window", 16},
                     {"head_dim", 16},
                     {"global_head_dim", 32},
                     {"num_global_key_value_heads", 2},
                     {"attention_k_eq_v", true}};
    EXPECT_EQ(cache(gemma).cached[0], (CachedLayer{4, 16, 16, 16}));
    EXPECT_EQ(cache(gemma).cached[1], (CachedLayer{2, 32, 32, 0}));
    EXPECT_THAT(cache(gemma).notes.at(0), HasSubstr("engines keep both"));
}

TEST(ConfigCache, RefusesByName) {
    EXPECT_THAT(refused({{"layer_types", {"full_attention", "full_attention", "conv", "full_attention"}}}),
                AllOf(HasSubstr("c: layer_types: a layer of a kind that is not known here: 'conv'"),
                      HasSubstr("sliding_attention")));
    EXPECT_THAT(refused({{"layer_types", {"full_attention"}}}), HasSubstr("layer_types: 1 layers, not 4"));
    EXPECT_THAT(refused({{"layer_types", {"sliding_attention", "full_attention", "full_attention", "full_attention"}}}),
                HasSubstr("a key is missing; accepted: sliding_window"));
    EXPECT_THAT(refused({{"hybrid_override_pattern", "M-*x"}}), HasSubstr("a layer of the kind 'x'"));
    EXPECT_THAT(refused({{"num_hidden_layers", nullptr}}), HasSubstr("accepted: num_hidden_layers"));
    EXPECT_THAT(refused({{"num_attention_heads", nullptr}}), HasSubstr("accepted: num_attention_heads"));
    EXPECT_THAT(refused({{"hidden_size", nullptr}}), HasSubstr("no head_dim"));
    EXPECT_THAT(refused({{"kv_lora_rank", 32}}), HasSubstr("qk_rope_head_dim"));
    EXPECT_THAT(refused({{"sliding_window", 16}}),
                AllOf(HasSubstr("sliding_window: which layers of the model_type 'llama' have it is not known"),
                      HasSubstr("layer_types")));
    EXPECT_THAT(refused({{"attention_chunk_size", 16}}), HasSubstr("attention_chunk_size: nothing says which layers"));
    EXPECT_THAT(refused({{"mamba_d_state", 16}}), HasSubstr("mamba_d_state: nothing says which layers keep a state"));
    EXPECT_THAT(refused({{"attn_layer_period", 4}}), HasSubstr("attn_layer_offset"));
    EXPECT_THAT(refused({{"attn_layer_period", 2}, {"attn_layer_offset", 1}}), HasSubstr("accepted: mamba_expand"));
    EXPECT_THAT(refused({{"attn_layer_indices", {7}}}), HasSubstr("there is no layer 7"));
    EXPECT_THAT(refused({{"num_kv_shared_layers", 4}}), HasSubstr("4 of 4 layers"));
    EXPECT_THAT(refused({{"is_encoder_decoder", true}}), HasSubstr("is_encoder_decoder"));
    EXPECT_THAT(refused({{"use_sliding_window", true}, {"sliding_window", 16}}), HasSubstr("max_window_layers"));
    EXPECT_THAT(refused({{"linear_attn_config", {{"full_attn_layers", {1, 2}}, {"kda_layers", {3}}}}}),
                HasSubstr("in neither list"));
    for (auto const* key : {"index_head_dim", "cross_attention_layers", "kv_mixer", "block_configs", "swa_head_dim"})
        EXPECT_THAT(refused({{key, 3}}), HasSubstr(std::string("c: ") + key + ": may change the content of the cache"));
    EXPECT_EQ(refused({{"index_head_dim", 0}, {"cross_attention_layers", Json::array()}}), "") << "switched off";
}

TEST(ConfigCache, ReadsOrRefusesAnyBytes) {
    auto const good = config({{"sliding_window", 16}, {"sliding_window_pattern", 2}}).dump();
    for (std::size_t at = 0; at < good.size(); ++at)
        for (int bit = 0; bit < 8; ++bit) {
            auto altered = good;
            altered[at] = static_cast<char>(altered[at] ^ (1 << bit));
            try {
                cache_of_config(text_config_of(altered, "c"), "c");
            } catch (ConfigError const&) {
            }
        }
}

TEST(ShareOf, SpreadsHeadsAndRepeatsThemWhereTheyAreFew) {
    auto const llama = known_model("llama-3.1-8b");
    EXPECT_EQ(share_of(llama, 1).growth_values(), llama.growth_values());
    EXPECT_EQ(share_of(llama, 4).growth_values(), llama.growth_values() / 4);
    EXPECT_EQ(share_of(llama, 16).growth_values(), llama.growth_values() / 8) << "each head on two devices";
    auto const latent = known_model("deepseek-v3");
    EXPECT_EQ(share_of(latent, 8).growth_values(), latent.growth_values()) << "a latent is on all devices";
    auto const hybrid = known_model("qwen3.5-27b");
    // 48 value heads of 128 x (128 + 3), 16 groups of 2 x 128 x 3, over 8 devices; over 48 each group on 3.
    EXPECT_EQ(share_of(hybrid, 8).state_values(), hybrid.state_values() / 8);
    EXPECT_EQ(share_of(hybrid, 48).state_values(), 48U * (128 * (128 + 3) + 2 * 128 * 3));
    EXPECT_THAT(message_of<ConfigError>([&] { share_of(llama, 3); }),
                HasSubstr("8 KV heads of llama-3.1-8b do not come out even: '3 devices'"));
}

}  // namespace
}  // namespace kvstone
