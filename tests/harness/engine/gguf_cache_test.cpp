// Caches of models as GGUF files describe them: the shipped model's, and files written here.

#include "harness/engine/gguf_cache.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/engine/cache_shape.hpp"
#include "harness/sources/builtin.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/gguf_files.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

class GgufCache : public ::testing::Test {
  protected:
    ModelCache read(GgufFile const& file) const { return read_gguf_cache(file.write(folder_ / "m.gguf")); }
    std::string refused(GgufFile const& file) const {
        return message_of<ConfigError>([&] { read(file); });
    }
    ScratchFolder folder_;
};

/// Numbers alone, and for each letter of `layers` the tensors that tell its kind: a attention, l latent attention, s state,
/// b both, f neither.
GgufFile model(std::string const& architecture, std::string const& layers) {
    GgufFile file(architecture);
    file.number("block_count", static_cast<std::uint32_t>(layers.size())).number("context_length", 4096);
    file.number("embedding_length", 64).number("attention.head_count", 8).number("attention.head_count_kv", 2);
    for (std::size_t i = 0; i < layers.size(); ++i) {
        auto const block = "blk." + std::to_string(i) + ".";
        if (layers[i] == 'a' || layers[i] == 'b') file.tensor(block + "attn_k.weight", {4});
        if (layers[i] == 'l') file.tensor(block + "attn_kv_a_mqa.weight", {4});
        if (layers[i] == 's' || layers[i] == 'b') file.tensor(block + "ssm_conv1d.weight", {4});
        if (layers[i] == 's') file.tensor(block + "attn_qkv.weight", {4});
        file.tensor(block + "ffn_up.weight", {4});
    }
    return file;
}

TEST_F(GgufCache, TheTypeOfMostWeightsIsToldByTheirBytes) {
    EXPECT_EQ(weights_type_of(builtin_path("tiny")), "f16");
    EXPECT_EQ(weights_type_of(builtin_path("tiny-q8_0")), "q8_0");
    EXPECT_EQ(weights_type_of(builtin_path("tiny-q4_0")), "q4_0") << "its norms are f32, and more tensors";
    EXPECT_EQ(weights_type_of(model("llama", "a").write(folder_ / "m.gguf")), "f32");
    EXPECT_EQ(weights_type_of(GgufFile("llama").number("block_count", 1).write(folder_ / "none.gguf")), "?")
        << "no tensors";
    std::ofstream(folder_ / "text.gguf") << "no model";
    EXPECT_THAT(message_of<CorruptData>([&] { weights_type_of(folder_ / "text.gguf"); }), HasSubstr("not a GGUF file"));
}

TEST_F(GgufCache, IsTheShippedModels) {
    auto const cache = read_gguf_cache(builtin_path("tiny"));
    auto const shape = cache_shape_of(builtin_path("tiny"));
    EXPECT_EQ(cache.cached, (std::vector<CachedLayer>(shape.layers, {shape.kv_heads, shape.k_dim, shape.v_dim, 0})));
    EXPECT_EQ(cache.growth_values(), 4U * 2 * 2 * 64);
    EXPECT_EQ(cache.max_tokens, shape.trained_tokens);
    EXPECT_EQ(read(small_llama(64).vocabulary({"a"})).cached, (std::vector<CachedLayer>{{2, 8, 8, 0}}));
    EXPECT_EQ(read(small_deepseek()).cached, (std::vector<CachedLayer>{{1, 16 + 8, 0, 0}}));
    auto const mamba = read(small_mamba());
    EXPECT_TRUE(mamba.cached.empty());
    EXPECT_EQ(mamba.state_values(), 64U * (16 + 3));
}

TEST_F(GgufCache, HasWindowsByPatternOrArchitecture) {
    auto const windows = [&](GgufFile const& file) {
        std::vector<std::uint64_t> tokens;
        for (auto const& layer : read(file).cached) tokens.push_back(layer.most_tokens);
        return tokens;
    };
    using Windows = std::vector<std::uint64_t>;
    EXPECT_EQ(windows(model("gemma2", "aaaa").number("attention.sliding_window", 16)), (Windows{16, 0, 16, 0}));
    EXPECT_EQ(windows(model("other", "aaaa")
                          .number("attention.sliding_window", 16)
                          .number("attention.sliding_window_pattern", 3)),
              (Windows{16, 16, 0, 16}));
    EXPECT_EQ(windows(model("llama4", "aaaa")), (Windows{8192, 8192, 8192, 0}));
    auto const lengths = read(model("gemma3", "aaaaaa")
                                  .number("attention.sliding_window", 16)
                                  .number("attention.key_length", 32)
                                  .number("attention.value_length", 32)
                                  .number("attention.key_length_swa", 16)
                                  .number("attention.value_length_swa", 24));
    EXPECT_EQ(lengths.cached[0], (CachedLayer{2, 16, 24, 16}));
    EXPECT_EQ(lengths.cached[5], (CachedLayer{2, 32, 32, 0}));
    EXPECT_THAT(refused(model("other", "a").number("attention.sliding_window", 16)),
                HasSubstr("other.attention.sliding_window: which layers have it is not known"));
    EXPECT_EQ(read(model("gemma3n", "aaaa").number("attention.shared_kv_layers", 2)).cached.size(), 2U);
    EXPECT_THAT(refused(model("gemma3n", "aaaa")), HasSubstr("gemma3n.attention.shared_kv_layers: missing"));
}

TEST_F(GgufCache, HasStatesWhereTensorsSaySo) {
    auto const with_state = [](GgufFile file) {
        file.number("ssm.conv_kernel", 4).number("ssm.inner_size", 64).number("ssm.state_size", 16);
        file.number("ssm.time_step_rank", 4).number("ssm.group_count", 2);
        return file;
    };
    // 4 heads of 16 x 16, 3 inputs of 64 channels and of 2 x 16 values in 2 groups.
    constexpr std::uint64_t values = 64 * 16 + 3 * (64 + 2 * 2 * 16);
    auto const hybrid = read(with_state(model("qwen3next", "sssa")).number("full_attention_interval", 4));
    EXPECT_EQ(hybrid.cached.size(), 1U);
    EXPECT_EQ(hybrid.state_values(), 3 * values);
    auto const parallel = read(with_state(model("falcon-h1", "bb")));
    EXPECT_EQ(parallel.cached.size(), 2U);
    EXPECT_EQ(parallel.state_values(), 2 * values);
    auto const mixed = read(with_state(model("nemotron_h", "sfafs")));
    EXPECT_EQ(mixed.cached.size(), 1U);
    EXPECT_EQ(mixed.states.size(), 2U);
    EXPECT_THAT(refused(with_state(model("qwen3next", "sass")).number("full_attention_interval", 4)),
                HasSubstr("full_attention_interval: the tensors of layer 1 say otherwise"));
    EXPECT_THAT(refused(model("jamba", "sa")), HasSubstr("jamba.ssm.conv_kernel: missing"));
}

TEST_F(GgufCache, RefusesByName) {
    EXPECT_THAT(refused(model("x", "a").number("attention.mixer", 3)),
                HasSubstr("x.attention.mixer: may change the content of the cache"));
    EXPECT_THAT(refused(model("x", "a").number("attention.indexer.key_length", 3)), HasSubstr("indexer.key_length"));
    EXPECT_THAT(refused(model("deepseek2", "l").number("attention.kv_lora_rank", 16)),
                HasSubstr("attention.key_length_mla: missing"));
    EXPECT_THAT(refused(model("x", "ff")), HasSubstr("no layer has tensors of attention or of a state"));
    EXPECT_THAT(refused(GgufFile("x").number("context_length", 1)), HasSubstr("x.block_count: missing"));
    EXPECT_THAT(refused(model("x", "a").tensor("blk.0.time_mix_key.weight", {4})),
                HasSubstr("a kind that is not known"));
    auto drafting = model("x", "aa");
    drafting.tensor("blk.1.nextn.eh_proj.weight", {4});
    EXPECT_EQ(read(drafting).cached.size(), 1U);
    EXPECT_THAT(read(drafting).notes.at(0), HasSubstr("nextn_predict_layers: 1 not counted"));
}

TEST_F(GgufCache, IsReadOfAllParts) {
    auto const part = [&](std::string const& layers, char const* name, std::size_t first) {
        auto file = model("x", "");
        file.number("block_count", 3);
        for (std::size_t i = 0; i < layers.size(); ++i)
            file.tensor("blk." + std::to_string(first + i) + ".attn_k.weight", {4});
        return file.parts(2).write(folder_ / name);
    };
    auto const path = part("aa", "m-00001-of-00002.gguf", 0);
    EXPECT_THROW(read_gguf_cache(path), SystemError) << "the second part is not there";
    part("a", "m-00002-of-00002.gguf", 2);
    EXPECT_EQ(read_gguf_cache(path).cached.size(), 3U);
}

TEST_F(GgufCache, IsReadOrRefusedWhateverTheBytes) {
    auto const path = model("gemma2", "aa").number("attention.sliding_window", 16).write(folder_ / "m.gguf");
    std::ifstream in(path, std::ios::binary);
    std::string const good{std::istreambuf_iterator<char>(in), {}};
    auto const spoilt = folder_ / "spoilt.gguf";
    auto const attempt = [&](std::string const& bytes) {
        std::ofstream(spoilt, std::ios::binary | std::ios::trunc) << bytes;
        try {
            read_gguf_cache(spoilt);
        } catch (ConfigError const&) {
        } catch (CorruptData const&) {
        } catch (SystemError const&) {
        }
    };
    for (std::size_t length = 0; length < good.size(); length += 7) attempt(good.substr(0, length));
    for (std::size_t at = 0; at < good.size(); at += 3) {
        auto altered = good;
        altered[at] = static_cast<char>(altered[at] ^ 0x11);
        attempt(altered);
    }
    EXPECT_THROW(read_gguf_cache(folder_ / "absent.gguf"), SystemError);
    std::ofstream(spoilt, std::ios::trunc) << "no model";
    EXPECT_THROW(read_gguf_cache(spoilt), CorruptData);
}

}  // namespace
}  // namespace kvstone
