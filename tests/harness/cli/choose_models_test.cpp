// `kvstone choose --models`: weights and cache in one budget, from the run to the answer.

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "harness/sources/builtin.hpp"
#include "tests/harness/cli/program.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class ChooseModelsTest : public ProgramTest {
  protected:
    static constexpr auto models = "--models tiny tiny-q8_0 tiny-q4_0 --context 64 --sequences 4 ";

    void measure() {
        auto const ended = kvstone(
            "run what-fits --set 'grid.context=[64]' --set 'grid.codec=[fp16, q8_0, q4_0]' "
            "--set 'workloads.0.model.passages=3' --set 'workloads.0.model.continuation=48'");
        ASSERT_EQ(ended.code, 0) << ended.err << ended.out;
    }
    /// A file that the engine's own quantiser makes of another.
    std::string quantised(std::string const& from, std::string const& type) const {
        auto const made = shell("llama-quantize --allow-requantize '" + from + "' made-" + type + ".gguf " + type);
        EXPECT_EQ(made.code, 0) << made.err;
        return path("made-" + type + ".gguf").string();
    }
    json answer(std::string const& more, int code = 0) {
        auto const ended = kvstone("choose --json " + std::string(models) + more);
        EXPECT_EQ(ended.code, code) << ended.err << ended.out;
        return json::parse(ended.out);
    }
};

std::uint64_t total(json const& pair) { return pair["total_bytes"].get<std::uint64_t>(); }
double kld(json const& pair) { return pair["kld_mean"]["value"].get<double>(); }

TEST_F(ChooseModelsTest, AnswersEachBudgetWithTheLeastKldThatFits) {
    measure();
    auto const all = answer("--max-kld 100");
    ASSERT_EQ(all["pairs"].size(), 9U);
    for (auto const& pair : all["pairs"]) {
        EXPECT_EQ(pair["why_not"], "");
        EXPECT_EQ(total(pair), pair["weights_bytes"].get<std::uint64_t>() + pair["cache_bytes"].get<std::uint64_t>() +
                                   pair["compute_bytes"].get<std::uint64_t>());
        EXPECT_GT(pair["compute_bytes"].get<std::uint64_t>(), 0U);
        // All tensors lie in the file, and little else does.
        auto const file = std::filesystem::file_size(pair["model"].get<std::string>());
        EXPECT_LT(pair["weights_bytes"].get<std::uint64_t>(), file);
        EXPECT_GT(pair["weights_bytes"].get<double>(), 0.9 * static_cast<double>(file));
    }
    // The uncompressed weights with an fp16 cache are nearest to themselves with a plain one.
    EXPECT_THAT(all["chosen"]["model"].get<std::string>(), testing::EndsWith("tiny.gguf"));
    EXPECT_EQ(all["chosen"]["codec"], "fp16");
    EXPECT_LT(kld(all["chosen"]), 1e-5);
    // Every budget, by a look at all pairs.
    std::vector<std::uint64_t> budgets;
    for (auto const& pair : all["pairs"]) budgets.insert(budgets.end(), {total(pair) - 1, total(pair)});
    for (auto const budget : budgets) {
        json const* best = nullptr;
        for (auto const& pair : all["pairs"])
            if (total(pair) <= budget && (best == nullptr || kld(pair) < kld(*best))) best = &pair;
        auto const own = answer(fmt::format("--max-kld 100 --memory '{} B'", budget), best == nullptr ? 3 : 0);
        EXPECT_EQ(own["chosen"], best == nullptr ? json() : *best) << budget;
        // The answer is the last pair of the front that fits.
        json last;
        for (auto const& pair : own["pairs"])
            if (pair["on_front"].get<bool>() && total(pair) <= budget) last = pair;
        EXPECT_EQ(own["chosen"], last) << budget;
    }
    auto const text = kvstone("choose " + std::string(models) + "--max-kld 100 --memory '1 GiB'");
    EXPECT_EQ(text.code, 0);
    EXPECT_THAT(text.out, HasSubstr("tiny with fp16\n"));
    EXPECT_THAT(text.out, HasSubstr("runner-up"));
    EXPECT_THAT(text.out, HasSubstr("best from"));
    EXPECT_THAT(text.out, HasSubstr("against    tiny (f16) with a plain cache\n"));
    EXPECT_THAT(text.out, Not(HasSubstr("themselves")));
    // 3 passages of 47 tokens have no 99.9th percentile: that is no answer, but a thing to measure.
    auto const tail = kvstone("choose " + std::string(models) + "--max-kld 100 --max-kld-p999 1");
    EXPECT_EQ(tail.code, 5) << tail.out;
    EXPECT_THAT(tail.out, HasSubstr("1,000 scored tokens or more have one"));
    EXPECT_THAT(tail.out, HasSubstr("protocol: inline, passages: 10"));
    auto const calm = answer("--max-kld 100 --also 'large_kld_share <= 0'");
    EXPECT_EQ(calm["chosen"]["codec"], "fp16");
    EXPECT_EQ(calm["chosen"]["large_kld_share"]["high"], 0);
}

/// Weights made again from quantised ones are measured against those, and the answer says that it is so.
TEST_F(ChooseModelsTest, AReferenceMayBeQuantisedItself) {
    if (shell("command -v llama-quantize").code != 0) GTEST_SKIP() << "no llama-quantize";
    auto const wider = quantised(builtin_path("tiny-q4_0"), "q8_0");
    auto const ended = kvstone(
        "run what-fits --set 'grid.context=[64]' --set 'grid.codec=[fp16]' --set workloads.0.model.passages=3 --set "
        "workloads.0.model.continuation=48 --set 'sources.0.model={gguf: [tiny-q4_0, " +
        wider + "], reference: tiny-q4_0, text: builtin}'");
    ASSERT_EQ(ended.code, 0) << ended.err << ended.out;
    auto const question = "choose --models tiny-q4_0 " + wider + " --context 64 --max-kld 1";
    auto const text = kvstone(question).out;
    EXPECT_THAT(text, HasSubstr("against    tiny-q4_0 (q4_0) with a plain cache\n"));
    EXPECT_THAT(text, HasSubstr("KLD is the distance from tiny-q4_0, whose weights are in q4_0 themselves"));
    // More bytes, and the answers of the wider file can only be farther from those of its own origin.
    auto const pairs = json::parse(kvstone(question + " --json").out)["pairs"];
    ASSERT_EQ(pairs.size(), 2U);
    EXPECT_LT(total(pairs[0]), total(pairs[1]));
    EXPECT_LT(kld(pairs[0]), kld(pairs[1]));
    EXPECT_FALSE(pairs[1]["on_front"].get<bool>());
    auto const without = kvstone("choose --models " + wider + " --context 64 --max-kld 1").out;
    EXPECT_THAT(without, HasSubstr("KLD is the distance from a model that is none of these files (SHA-256 "));
}

TEST_F(ChooseModelsTest, FilesOfFewerBitsAreFartherFromTheirOrigin) {
    auto const origin = test_data("models/stories260K.gguf");
    auto const story = test_data("text/tinystories_val_794k.txt");
    if (!origin || !story) GTEST_SKIP() << "stories260K.gguf or its text is not among the test data";
    if (shell("command -v llama-quantize").code != 0) GTEST_SKIP() << "no llama-quantize";
    auto const files = fmt::format("{}, {}, {}", origin->string(), quantised(origin->string(), "q8_0"),
                                   quantised(origin->string(), "q4_0"));
    auto const ended = kvstone(fmt::format(
        "run what-fits --set 'grid.context=[64]' --set 'grid.codec=[fp16]' --set workloads.0.model.passages=3 --set "
        "workloads.0.model.continuation=48 --set 'sources.0.model={{gguf: [{}], reference: {}, text: {}}}'",
        files, origin->string(), story->string()));
    ASSERT_EQ(ended.code, 0) << ended.err << ended.out;
    auto const pairs =
        json::parse(kvstone("choose --models " + origin->string() + " 'made-*.gguf' --context 64 --max-kld 100 --json")
                        .out)["pairs"];
    ASSERT_EQ(pairs.size(), 3U);  // by bytes
    EXPECT_THAT(pairs[0]["model"].get<std::string>(), testing::EndsWith("made-q4_0.gguf"));
    EXPECT_THAT(pairs[1]["model"].get<std::string>(), testing::EndsWith("made-q8_0.gguf"));
    EXPECT_GT(kld(pairs[0]), 10 * kld(pairs[1])) << "a step of q4_0 is 16 times that of q8_0";
    EXPECT_GT(kld(pairs[1]), 10 * kld(pairs[2])) << "the origin itself, with a cache of 16 bits";
}

TEST_F(ChooseModelsTest, OneModelIsJudgedByItsOwnAnswersAlone) {
    measure();
    // Rows of tiny-q4_0 are measured against tiny.
    auto const foreign = kvstone("choose --model tiny-q4_0 --context 64 --max-kld 100");
    EXPECT_EQ(foreign.code, 5) << foreign.out;
    EXPECT_THAT(foreign.out, HasSubstr("Measure first"));
    EXPECT_EQ(kvstone("choose --model tiny --context 64 --max-kld 100").code, 0);
    auto const protocol = kvstone("choose " + std::string(models) + "--max-kld 1 --protocol decode");
    EXPECT_EQ(protocol.code, 5);
    EXPECT_THAT(protocol.out, HasSubstr("no KLD of these models with protocol decode"));
    EXPECT_THAT(protocol.out, HasSubstr("--set workloads.0.model.protocol=decode"));
    // Beyond the bound no pair is the best from some budget on.
    for (auto const& pair : answer("--max-kld 1e-4")["pairs"])
        EXPECT_TRUE(pair["meets"].get<bool>() || !pair["on_front"].get<bool>()) << pair;
}

TEST_F(ChooseModelsTest, SaysWhatToMeasureAndRefusesNonsense) {
    auto const nothing = kvstone("choose " + std::string(models) + "--max-kld 1");
    EXPECT_EQ(nothing.code, 5) << nothing.out;
    EXPECT_THAT(nothing.out, HasSubstr("kvstone run what-fits"));
    EXPECT_EQ(kvstone("choose --context 64 --max-kld 1").code, 2) << "neither --model nor --models";
    EXPECT_EQ(kvstone("choose --model tiny --models tiny --context 64 --max-kld 1").code, 2);
    EXPECT_EQ(kvstone("choose --model tiny --sequences 2 --context 64 --max-kld 1").code, 2);
    auto const unknown = kvstone("choose --models 'none-*.gguf' --context 64 --max-kld 1");
    EXPECT_EQ(unknown.code, 2);
    EXPECT_THAT(unknown.err, HasSubstr("no file matches"));
}

TEST_F(ChooseModelsTest, AReferenceOfAnotherVocabularyIsRefused) {
    auto const other = test_data("models/stories260K.gguf");
    if (!other) GTEST_SKIP() << "stories260K.gguf is not among the test data";
    auto const ended = kvstone(
        "run what-fits --set 'grid.context=[64]' --set 'grid.codec=[fp16]' "
        "--set 'sources.0.model.gguf=[tiny]' --set workloads.0.model.passages=1 "
        "--set workloads.0.model.continuation=32 --set 'sources.0.model.reference=" +
        other->string() + "'");
    EXPECT_NE(ended.code, 0);
    EXPECT_THAT(ended.out + ended.err, HasSubstr("the reference has another vocabulary"));
}

}  // namespace
}  // namespace kvstone
