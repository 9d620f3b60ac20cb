// `kvstone size` as a user asks it.

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class SizeTest : public ProgramTest {
  protected:
    json size(std::string const& arguments) const {
        auto const ended = kvstone("size --json " + arguments);
        EXPECT_EQ(ended.code, 0) << arguments << ended.err;
        return json::parse(ended.out);
    }
};

TEST_F(SizeTest, AnswersForANameAConfigAndAFile) {
    auto const answer = size(
        "llama-3.1-8b --codec fp16 --codec q8_0 --context 8k --context 128k --batch 4 --budget '64 GiB' "
        "--tensor-parallel 4");
    ASSERT_EQ(answer["sizes"].size(), 4U);
    auto const& last = answer["sizes"][3];
    EXPECT_EQ(last["codec"], "q8_0");
    EXPECT_EQ(last["context"], 131'072);
    // 34 bytes of every 32 values.
    EXPECT_EQ(last["growth_bytes_per_token"], 131'072 / 64 * 34.0);
    EXPECT_EQ(last["batch_bytes"], 4 * last["sequence_bytes"].get<std::uint64_t>());
    EXPECT_NEAR(last["device_bytes"].get<double>(), last["batch_bytes"].get<double>() / 4, 1e5);
    EXPECT_EQ(last["sequences"], (std::uint64_t{64} << 30) / (last["device_bytes"].get<std::uint64_t>() / 4));
    EXPECT_EQ(answer["device"]["cached"][0]["kv_heads"], 2);

    std::filesystem::create_directories(path("model"));
    write("model/config.json",
          R"({"text_config": {"model_type": "gemma2", "num_hidden_layers": 4, "num_attention_heads": 8,
          "num_key_value_heads": 4, "head_dim": 64, "sliding_window": 128, "max_position_embeddings": 1024}})");
    for (auto const* const name : {"model", "model/config.json"}) {
        auto const own = size(name);
        EXPECT_EQ(own["growth_values_per_token"], 2 * 2 * 4 * 64) << name;
        EXPECT_EQ(own["sizes"][0]["context"], 1024) << "what the model was made for";
    }
    auto const ended = kvstone("size --json tiny --context 1k");
    if (ended.err.find("made without libllama") != std::string::npos) GTEST_SKIP() << "this build reads no models";
    EXPECT_EQ(json::parse(ended.out)["growth_values_per_token"], 4 * 2 * 2 * 64);
}

TEST_F(SizeTest, PrintsTablesAndStudies) {
    auto const text = kvstone("size gemma-3-1b --context 32k --budget '2 GiB'").out;
    EXPECT_THAT(text, HasSubstr("gemma-3-1b (google/gemma-3-1b-it)"));
    EXPECT_THAT(text, HasSubstr("128.00 MiB  11.00 MiB  139.01 MiB         14"));
    auto const study = kvstone("size --study a9");
    EXPECT_EQ(study.code, 0) << study.err;
    EXPECT_THAT(study.out, HasSubstr("models in 64 GB, fp32"));
    EXPECT_EQ(size("--study d5")["lines"][0]["claimed"], 10.0);
    auto const models = kvstone("list models");
    EXPECT_EQ(models.code, 0) << models.err;
    EXPECT_THAT(models.out, HasSubstr("Qwen/Qwen3-Next-80B-A3B-Instruct"));
}

TEST_F(SizeTest, RefusesWithTheReason) {
    auto const refused = [&](std::string const& arguments, std::string const& message) {
        auto const ended = kvstone("size " + arguments);
        EXPECT_EQ(ended.code, 2) << arguments << ended.out;
        EXPECT_THAT(ended.err + ended.out, HasSubstr(message)) << arguments;
    };
    refused("", "no model");
    refused("llama-3.1-8bb", "did you mean 'llama-3.1-8b'?");
    refused("none.gguf", "there is no such model file: 'none.gguf'");
    refused("none.json", "none.json");
    refused("llama-3.1-8b --context all", "--context: expected a number of tokens");
    refused("llama-3.1-8b --budget much", "--budget: expected a size");
    refused("llama-3.1-8b --budget ''", "--budget: the value is empty");
    refused("llama-3.1-8b --codec fp17", "fp17");
    refused("llama-3.1-8b --tensor-parallel 3", "8 KV heads of llama-3.1-8b do not come out even");
    refused("tinyllama-1.1b", "--context");
    refused("llama-3.1-8b --context 1k --codec 'layers(99){fp16} rest{q8_0}'",
            "names layers that the tensor does not have");
    refused("--study a1", "a9");
    write("broken.gguf", "GGUF and nothing behind it");
    EXPECT_EQ(kvstone("size broken.gguf --context 1k").code, 2);
    write("odd.json", R"({"num_hidden_layers": 1, "num_attention_heads": 1, "head_dim": 40, "cross_attention": true})");
    refused("odd.json --context 64", "odd.json: cross_attention: may change the content of the cache");
}

}  // namespace
}  // namespace kvstone
