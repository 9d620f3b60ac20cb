// Models whose cache cannot be reached, or whose figures would mean something else, are refused with the reason.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/engine/model_capture.hpp"
#include "harness/engine/passages.hpp"
#include "harness/workloads/model/evaluation.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/gguf_files.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ModelRefusal : public ::testing::Test {
  protected:
    std::string evaluate(std::string const& path, std::uint64_t capacity, Protocol protocol = Protocol::context) {
        Engine const engine(path);
        PathSettings settings;
        settings.protocol = protocol;
        return message_of<ConfigError>([&] { Evaluation(engine, Codec::parse("fp16"), settings, capacity); });
    }
    std::string capture(std::string const& path) {
        return message_of<ConfigError>([&] { capture_model(path, builtin_path("builtin"), 16, {}); });
    }
    ScratchFolder folder_;
};

TEST_F(ModelRefusal, OfWhatKeepsAState) {
    auto const path = small_mamba().write(folder_ / "mamba.gguf");
    for (auto const protocol : {Protocol::context, Protocol::within, Protocol::decode})
        EXPECT_THAT(evaluate(path, 64, protocol),
                    AllOf(HasSubstr(path + ": a recurrent architecture keeps a state"), HasSubstr("'mamba'")));
    EXPECT_THAT(capture(path), HasSubstr(path));
}

TEST_F(ModelRefusal, OfLatentAttention) {
    auto const path = small_deepseek().write(folder_ / "latent.gguf");
    for (auto const protocol : {Protocol::context, Protocol::within, Protocol::decode})
        EXPECT_THAT(evaluate(path, 64, protocol),
                    AllOf(HasSubstr(path + ": the engine keeps no v of layer 0"), HasSubstr("'deepseek2'")));
}

TEST_F(ModelRefusal, OfWindowsShorterThanTheTexts) {
    auto const path = small_cohere(64).write(folder_ / "windows.gguf");
    EXPECT_THAT(evaluate(path, 65), AllOf(HasSubstr(path + ": layers of this model see the last 64 tokens only"),
                                          HasSubstr("up to 64 tokens of context and continuation together")));
    Engine const engine(path);
    EXPECT_NO_THROW(Evaluation(engine, Codec::parse("fp16"), {}, 64)) << "all layers see everything";
    EXPECT_THROW(Evaluation(engine, Codec::parse("fp16"), {}, 65), NotApplicable) << "which skips a cell";
}

TEST_F(ModelRefusal, OfDevicesThatAreNotThere) {
    auto const path = builtin_path("tiny");
    if (engine_has_device()) GTEST_SKIP() << "this machine has a device";
    EXPECT_THAT(message_of<ConfigError>([&] { Engine(path, 3); }),
                AllOf(HasSubstr(path + ": gpu_layers"), HasSubstr("'3'; accepted: 0")));
}

TEST_F(ModelRefusal, OfVocabulariesThatCannotSpell) {
    std::vector<std::string> words{"\u2581"};
    for (char c = 'a'; c <= 'z'; ++c) words.emplace_back(1, c);
    Engine const engine(
        small_llama(static_cast<std::int64_t>(words.size()) + 3).vocabulary(words).write(folder_ / "letters.gguf"));
    PassageSettings const settings{.context = 64, .continuation = 64, .passages = 2, .document = {}};
    std::string plain, foreign;
    for (int i = 0; i < 60; ++i) {
        plain += "lily smiled ";
        foreign += "lily saw the \u4e16\u754c ";
    }
    EXPECT_EQ(read_passages(engine, folder_.write("plain.txt", plain), settings).all.size(), 2U);
    auto const path = folder_.write("foreign.txt", foreign);
    EXPECT_THAT(message_of<ConfigError>([&] { read_passages(engine, path, settings); }),
                HasSubstr(path + ": the model's vocabulary cannot spell this text"));
}

}  // namespace
}  // namespace kvstone
