// `kvstone choose` on databases whose answer is known, and once from the model to the answer.

#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include <gmock/gmock.h>

#include "results/statistics/estimate.hpp"
#include "tests/harness/cli/program.hpp"
#include "tests/results/pareto_fixture.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class ChooseTest : public ProgramTest {
  protected:
    /// Rows of a model that the database calls "demo": 2 layers of 4 KV heads of 32 and 64 values.
    void store(std::vector<std::pair<std::string, test::ModelFigures>> const& rows, std::uint64_t context = 1024,
               std::map<std::string, Estimate> const& tails = {}, std::string const& tail_metric = "kld_p999") const {
        auto store = Store::open(path("kvstone.db").string());
        std::vector<Cell> cells;
        std::vector<Measurement> measurements;
        for (auto const& [codec, figures] : rows) {
            cells.push_back(test::model_cell(codec, context));
            cells.back().source_name = "demo";
            measurements.push_back(test::model_measurement(cells.back(), figures));
            for (auto const& [component, metric, value] : {std::tuple{"kv", "passages", 12.0},
                                                           {"k", "cache_layers", 2.0},
                                                           {"k", "cache_heads", 4.0},
                                                           {"k", "cache_head_dim", 32.0},
                                                           {"v", "cache_head_dim", 64.0}})
                measurements.back().figures.push_back({component, metric, value, 1, {}, {}});
            if (auto const tail = tails.find(codec); tail != tails.end())
                measurements.back().figures.push_back(
                    {"kv", tail_metric, tail->second.value, 2044, tail->second.low, tail->second.high});
        }
        store.ingest(store.begin_campaign(test::plan(cells), test::build(), "hw", false), measurements);
    }
    /// Answers to items behind the caches of "demo", each with recall_accuracy.
    void ask(std::vector<std::pair<Cell, Estimate>> const& rows, double read = 1) const {
        auto store = Store::open(path("kvstone.db").string());
        std::vector<Cell> cells;
        std::vector<Measurement> measurements;
        for (auto const& [cell, figure] : rows) {
            cells.push_back(cell);
            cells.back().source_name = "demo";
            measurements.push_back(test::tasks_measurement(cells.back(), "recall_accuracy", figure, read));
        }
        store.ingest(store.begin_campaign(test::plan(cells), test::build(), "hw", false), measurements);
    }
    json chosen(std::string const& more, int code = 0) const {
        auto const ended = kvstone("choose --json --model demo " + more);
        EXPECT_EQ(ended.code, code) << ended.err << ended.out;
        return json::parse(ended.out);
    }
};

test::ModelFigures kld(double low, double value, double high, double read = 1) {
    return {.kld = value, .kld_low = low, .kld_high = high, .read = read};
}

TEST_F(ChooseTest, CountsWhatABudgetBuysOnATrace) {
    store({{"fp16", kld(0, 0, 0)}, {"q8_0", kld(0.001, 0.002, 0.003)}});
    // Three blocks of 64 tokens in turn, four times: LRU finds all but the first three where it holds three, and none with
    // fewer.
    std::string lines = "block_tokens: 64\nrequests:\n";
    for (int round = 0; round < 4; ++round)
        for (int block = 0; block < 3; ++block) lines += fmt::format("  - {{tokens: 60, blocks: [{}]}}\n", block);
    std::ofstream(path("trace.yaml")) << lines;
    auto const block_values = 2 * 4 * 64 * (32 + 64);
    auto const budget = 2 * 3 * block_values - 1;  // a byte less than three blocks of fp16
    auto const options =
        fmt::format("--context 1k --max-kld 0.01 --budget '{} B' --trace {}", budget, path("trace.yaml").string());
    auto const answer = chosen(options);
    EXPECT_EQ(answer["budget"]["bytes"], budget);
    EXPECT_EQ(answer["budget"]["block_tokens"], 64);
    EXPECT_EQ(answer["budget"]["block_lookups"], 12);
    EXPECT_EQ(answer["budget"]["token_lookups"], 12 * 60);
    EXPECT_EQ(answer["budget"]["unbounded_block_hits"], 9);
    EXPECT_EQ(answer["budget"]["fp16"]["entries"], 2);
    EXPECT_EQ(answer["budget"]["fp16"]["block_hits"], 0);
    auto const& bought = answer["chosen"]["bought"];
    EXPECT_EQ(answer["chosen"]["codec"], "q8_0");
    EXPECT_EQ(bought["entries"], budget / bought["block_bytes"].get<int>());
    EXPECT_EQ(bought["entries"], 5);
    EXPECT_EQ(bought["block_hits"], 9);
    EXPECT_EQ(bought["token_hits"], 9 * 60);
    EXPECT_EQ(bought["token_hit_rate"], 0.75);
    EXPECT_EQ(bought["sequences"], budget / answer["chosen"]["bytes"].get<int>());
    auto const text = kvstone("choose --model demo " + options).out;
    EXPECT_THAT(text, HasSubstr("budget     5 blocks of 64 tokens in"));
    EXPECT_THAT(text, HasSubstr("hit rate"));
    std::istringstream in(shell("unset COLUMNS; kvstone choose --model demo " + options).out);
    for (std::string line; std::getline(in, line);) EXPECT_LE(line.size(), 120U) << line;
    // Without a trace there are blocks of 512 tokens, and no hits.
    auto const plain = chosen("--context 1k --max-kld 0.01 --budget '1 GiB'");
    EXPECT_EQ(plain["budget"]["block_tokens"], 512);
    EXPECT_EQ(plain["budget"]["fp16"]["entries"], (1 << 30) / (16 * block_values));
    EXPECT_FALSE(plain["chosen"]["bought"].contains("block_hits"));
    // Questions that cannot be answered.
    auto const alone =
        kvstone("choose --model demo --context 1k --max-kld 0.01 --trace " + path("trace.yaml").string());
    EXPECT_EQ(alone.code, 2);
    EXPECT_THAT(alone.err, HasSubstr("--budget '64 GiB'"));
    EXPECT_EQ(kvstone("choose --model demo --context 1k --max-kld 0.01 --budget '1 GiB' --trace none.jsonl").code, 2);
}

// Their plan asks the backend for its threads.
TEST_F(ChooseTest, CountsBytesOfStagesThatWorkInParts) {
    store({{"hadamard | q8_0", kld(0.001, 0.002, 0.003)}});
    auto const answer = chosen("--context 1k --max-kld 0.01");
    EXPECT_EQ(answer["chosen"]["codec"], "hadamard | q8_0");
    EXPECT_NEAR(answer["chosen"]["bytes"].get<double>(), 2.0 * 4 * 1024 * (34 + 68), 400) << "signs are not stored";
    EXPECT_EQ(answer["chosen"]["bytes_exact"], true);
}

TEST_F(ChooseTest, TakesTheSmallestWhoseWholeIntervalIsBelow) {
    store({{"fp16", kld(0, 0, 0)},
           {"q8_0", kld(0.001, 0.002, 0.003)},
           {"q4_0", kld(0.005, 0.008, 0.0101)},
           {"int:bits=2,axis=token", kld(0, 0, 0, 0.2)}});
    auto const answer = chosen("--context 1k --max-kld 0.01 --memory '1 GiB'");
    auto const& codec = answer["chosen"];
    EXPECT_EQ(codec["codec"], "q8_0") << "q4_0 meets it by value alone, int by not being read";
    // 2 layers x 4 heads x 1024 tokens of 32 or 64 values, blocks of 32 in 34 bytes, and a container's header.
    auto const vectors = 2.0 * 4 * 1024;
    EXPECT_NEAR(codec["k_bytes"].get<double>(), vectors * 34, 200);
    EXPECT_NEAR(codec["v_bytes"].get<double>(), vectors * 68, 200);
    EXPECT_EQ(codec["bytes"].get<std::uint64_t>(),
              codec["k_bytes"].get<std::uint64_t>() + codec["v_bytes"].get<std::uint64_t>());
    EXPECT_EQ(answer["fp16_bytes"], 2 * 2 * 4 * 1024 * (32 + 64));
    auto const gibibyte = std::uint64_t{1} << 30;
    EXPECT_EQ(codec["sequences"], gibibyte / codec["bytes"].get<std::uint64_t>());
    EXPECT_EQ(answer["fp16_sequences"], gibibyte / answer["fp16_bytes"].get<std::uint64_t>());
    EXPECT_EQ(answer["extrapolated"], false);
    EXPECT_EQ(answer["measured"]["passages"], 12);
    EXPECT_EQ(answer["engines"]["llama_cpp"], "-ctk q8_0 -ctv q8_0");
    EXPECT_EQ(chosen("--context 1k --max-kld 0.0101")["chosen"]["codec"], "q4_0");
    auto const text = kvstone("choose --model demo --context 1k --max-kld 0.01").out;
    EXPECT_THAT(text, HasSubstr("KLD        0.002 nat, 95% 0.001..0.003 <= 0.01\n"));
    EXPECT_THAT(text,
                HasSubstr("measured   protocol decode, 12 passages, 2044 scored tokens, contexts of 1024 tokens\n"));
    EXPECT_THAT(text, HasSubstr("1.88 sequences where an fp16 cache holds one"));
    EXPECT_THAT(text, HasSubstr("not_engaged\n"));
    EXPECT_THAT(text, Not(HasSubstr("EXTRAPOLATED")));
}

/// Which tokens stay is not known without the text.
TEST_F(ChooseTest, BytesOfCodecsThatDropTokensAreTheMeasuredOnes) {
    auto dropping = kld(0.001, 0.002, 0.003);
    dropping.bits = 4.25;
    store({{"fp16", kld(0, 0, 0)}, {"keep:policy=streaming,share=0.5 | q8_0", dropping}});
    auto const codec = chosen("--context 2k --max-kld 0.01")["chosen"];
    EXPECT_EQ(codec["codec"], "keep:policy=streaming,share=0.5 | q8_0");
    EXPECT_EQ(codec["bytes_exact"], false);
    EXPECT_EQ(codec["bytes"], 2 * 4 * 2048 * (32 + 64) * 17 / 32);
    EXPECT_THAT(kvstone("choose --model demo --context 2k --max-kld 0.01").out, HasSubstr("this codec drops tokens:"));
    EXPECT_THAT(kvstone("choose --model demo --context 2k --max-kld 0.0001").out,
                Not(HasSubstr("this codec drops tokens:")));
}

TEST_F(ChooseTest, TailsCanBeBounded) {
    store({{"fp16", kld(0, 0, 0)},
           {"q8_0", kld(0.001, 0.002, 0.003)},
           {"q5_0", kld(0.002, 0.003, 0.004)},
           {"q4_0", kld(0.004, 0.005, 0.006)}},
          1024, {{"fp16", {0, 0, 0}}, {"q8_0", {0.2, 0.1, 0.3}}, {"q5_0", {0.3, 0.2, 0.6}}});
    auto const question = std::string("--context 1k --max-kld 0.01 ");
    EXPECT_EQ(chosen(question)["chosen"]["codec"], "q4_0");
    auto const answer = chosen(question + "--max-kld-p999 0.5");
    EXPECT_EQ(answer["also"], json({"kld_p999 <= 0.5 nat"}));
    EXPECT_EQ(answer["chosen"]["codec"], "q8_0") << "the interval of q5_0 goes beyond, and q4_0 has no such figure";
    EXPECT_EQ(answer["chosen"]["kld_p999"]["high"], 0.3);
    EXPECT_EQ(chosen(question + "--max-kld-p999 0.6")["chosen"]["codec"], "q5_0");
    auto const text = kvstone("choose --model demo " + question + "--max-kld-p999 0.5").out;
    EXPECT_THAT(text, HasSubstr("also       kld_p999 0.2, 95% 0.1..0.3; asked for: kld_p999 <= 0.5 nat\n"));
    EXPECT_THAT(text, HasSubstr("no kld_p999\n"));
    EXPECT_THAT(text, HasSubstr("kld_p999 has 2 of 2044 scored tokens beyond it: its interval ends at the largest that "
                                "were seen; score 10000 or more"));
    auto const none = kvstone("choose --model demo --context 1k --max-kld 0.01 --max-kld-p999 -1");
    EXPECT_EQ(none.code, 2);
    EXPECT_THAT(none.err, HasSubstr("--max-kld-p999: expected nats, 0 or more"));
}

TEST_F(ChooseTest, FurtherFiguresCanBeBounded) {
    store({{"fp16", kld(0, 0, 0)}, {"q8_0", kld(0.001, 0.002, 0.003)}, {"q4_0", kld(0.001, 0.002, 0.003)}}, 1024,
          {{"fp16", {0, 0, 0}}, {"q8_0", {0.01, 0, 0.02}}, {"q4_0", {0.02, 0.01, 0.04}}}, "sure_top1_flips");
    auto const question = std::string("--context 1k --max-kld 0.01 ");
    EXPECT_EQ(chosen(question + "--also 'sure_top1_flips < 0.05'")["chosen"]["codec"], "q4_0");
    auto const answer = chosen(question + "--also 'sure_top1_flips < 0.03 and kld_mean < 0.02'");
    EXPECT_EQ(answer["chosen"]["codec"], "q8_0");
    EXPECT_EQ(answer["chosen"]["sure_top1_flips"]["high"], 0.02);
    EXPECT_EQ(answer["also"], json({"sure_top1_flips < 0.03", "kld_mean < 0.02 nat"}));
    auto const none = kvstone("choose --model demo " + question + "--also 'sure_top1_flips < 0'");
    EXPECT_EQ(none.code, 3);
    EXPECT_THAT(none.out, HasSubstr("a mean KLD of 0.01 nat or less and sure_top1_flips < 0, the whole"));
    // A figure that no row has is to be measured; nothing says that no codec would meet the bound.
    auto const lacking = kvstone("choose --model demo " + question + "--max-kld-p999 0.5");
    EXPECT_EQ(lacking.code, 5) << lacking.out;
    EXPECT_THAT(lacking.out,
                HasSubstr("has kld_p999 (99.9th percentile of the same KL; 1,000 scored tokens or more have "
                          "one), with protocol decode. Measure first:"));
    EXPECT_THAT(lacking.out, HasSubstr("passages: 10"));
    EXPECT_EQ(json::parse(kvstone("choose --json --model demo " + question + "--max-kld-p999 0.5").out)["chosen"],
              nullptr);
    auto const speed = kvstone("choose --model demo " + question + "--also 'decode_tokens_per_s > 1'");
    EXPECT_EQ(speed.code, 2);
    EXPECT_THAT(speed.err, HasSubstr("`kvstone show --best`"));
    EXPECT_EQ(kvstone("choose --model demo " + question + "--also 'kld_p9 < 1'").code, 2);
}

TEST_F(ChooseTest, AnswersToItemsCanBeBoundedBesideTheKld) {
    auto const question = std::string("--context 1k --max-kld 0.01 ");
    store({{"fp16", kld(0, 0, 0)}, {"q8_0", kld(0.001, 0.002, 0.003)}, {"q4_0", kld(0.001, 0.002, 0.003)}});
    auto const lacking = kvstone("choose --model demo " + question + "--also 'recall_accuracy > 0.6'");
    EXPECT_EQ(lacking.code, 5);
    EXPECT_THAT(lacking.out, HasSubstr("no row of workload tasks in kvstone.db has recall_accuracy"));
    EXPECT_THAT(lacking.out, HasSubstr("{tasks: {protocol: decode, task: key_value, items: 72}}"));
    ask({{test::tasks_cell("fp16"), {1, 0.9, 1}},
         {test::tasks_cell("q8_0", 1024), {0.9, 0.8, 0.95}},
         {test::tasks_cell("q4_0"), {0.8, 0.7, 0.9}},
         {test::tasks_cell("q4_0", 512), {0.5, 0.4, 0.6}},
         {test::tasks_cell("q4_0", 900), {0.7, 0.65, 0.9}},
         {test::tasks_cell("q8_0", 768, "key_value", "context"), {0, 0, 0}}});
    ask({{test::tasks_cell("q8_0", 700), {0, 0, 0}}}, 0.4);  // barely read
    EXPECT_EQ(chosen(question)["chosen"]["codec"], "q4_0");
    auto const answer = chosen(question + "--also 'recall_accuracy > 0.6'");
    EXPECT_EQ(answer["chosen"]["codec"], "q8_0") << "of q4_0 the worst of three rows counts";
    auto const& figure = answer["chosen"]["recall_accuracy"];
    EXPECT_EQ(figure["low"], 0.8);
    EXPECT_EQ(figure["workload"], "tasks");
    EXPECT_EQ(figure["context"], 1024);
    EXPECT_EQ(figure["rows"], 1);
    auto const loose = chosen(question + "--also 'recall_accuracy > 0.3 and kld_mean < 0.02'")["chosen"];
    EXPECT_EQ(loose["codec"], "q4_0");
    EXPECT_EQ(loose["recall_accuracy"]["low"], 0.4);
    EXPECT_EQ(loose["recall_accuracy"]["context"], 512);
    EXPECT_EQ(loose["recall_accuracy"]["rows"], 3);
    EXPECT_EQ(loose["kld_mean"]["workload"], "model");
    auto const text = kvstone("choose --model demo " + question + "--also 'recall_accuracy > 0.3'").out;
    EXPECT_THAT(text,
                HasSubstr("also       recall_accuracy 0.5, 95% 0.4..0.6, of workload tasks, key_value, contexts of "
                          "512 tokens; asked for: recall_accuracy > 0.3\n"));
    EXPECT_THAT(text, HasSubstr("3 rows of workload tasks have recall_accuracy: the worst for the bound counts"));
    EXPECT_THAT(text, HasSubstr("items were asked behind contexts of 512 tokens, and the KLD is that of 1024"));
    // Rows of another protocol are named, not taken.
    auto const other = kvstone("choose --model demo --protocol context " + question + "--also 'recall_accuracy > 0.3'");
    EXPECT_EQ(other.code, 5);
    EXPECT_THAT(other.out, HasSubstr("has no KLD of demo with protocol context"));
}

TEST_F(ChooseTest, ARowThatWasNotEngagedSaysWhy) {
    store({{"fp16", kld(0, 0, 0)}});
    auto cell = test::model_cell("keep:policy=streaming,share=0.1 | q8_0");
    cell.source_name = "demo";
    auto barely_read = test::model_measurement(cell, kld(0, 0, 0, 0.4));
    barely_read.reason = "not_engaged: 40% of the K and V read came through the codec";
    {
        auto store = Store::open(path("kvstone.db").string());
        store.ingest(store.begin_campaign(test::plan({cell}), test::build(), "hw", false), {barely_read});
    }
    auto const codecs = chosen("--context 1k --max-kld 0.01")["codecs"];
    EXPECT_EQ(codecs[1]["why_not"], barely_read.reason);
}

TEST_F(ChooseTest, OtherProtocolsWithTheFigureAreNamed) {
    store({{"q8_0", kld(0.001, 0.002, 0.003)}});
    auto cell = test::model_cell("q8_0", 1024, "context");
    cell.source_name = "demo";
    {
        auto store = Store::open(path("kvstone.db").string());
        store.ingest(store.begin_campaign(test::plan({cell}), test::build(), "hw", false),
                     {test::model_measurement(cell, kld(0.001, 0.002, 0.003))});
    }
    ask({{test::tasks_cell("q8_0", 768, "key_value", "context"), {0.9, 0.8, 1}}});
    auto const question = std::string("choose --model demo --context 1k --max-kld 0.01 --also 'recall_accuracy > 0.6'");
    auto const lacking = kvstone(question);
    EXPECT_EQ(lacking.code, 5);
    EXPECT_THAT(lacking.out, HasSubstr("with protocol decode; others have it: --protocol context. Measure first:"));
}

/// A variable of the shell that is not set must not drop a bound.
TEST_F(ChooseTest, AnEmptyBoundIsRefused) {
    store({{"fp16", kld(0, 0, 0)}});
    for (std::string const given : {"--also", "--memory", "--budget", "--trace", "--max-kld-p999"}) {
        auto const refused = kvstone(fmt::format("choose --model demo --context 1k --max-kld 0.01 {} ''", given));
        EXPECT_EQ(refused.code, 2) << given << refused.out;
        EXPECT_THAT(refused.err, HasSubstr(given + ": the value is empty")) << given;
        EXPECT_EQ(refused.out, "");
    }
    auto const best = kvstone("show --best ''");
    EXPECT_EQ(best.code, 2);
    EXPECT_THAT(best.err, HasSubstr("--best: the value is empty"));
}

TEST_F(ChooseTest, CodecsOfAScenarioAreChosenByTheirMeasuredBytes) {
    auto const mine = std::string("external:name=mine,kind=library,hash=0123456789abcdef");
    auto three_bits = kld(0.001, 0.002, 0.003);
    three_bits.bits = 3;
    auto more_bits = three_bits;
    more_bits.bits = 3.5;
    store({{"fp16", kld(0, 0, 0)},
           {"q4_0", kld(0.001, 0.002, 0.003)},
           {mine, three_bits},
           {"hadamard | external:name=mine,kind=declared,hash=0123456789abcdef", more_bits}});
    auto const answer = chosen("--context 1k --max-kld 0.01");
    EXPECT_EQ(answer["chosen"]["codec"], mine);
    // 3 bits of each of 2 layers x 4 heads x 1024 tokens x (32 + 64) values.
    EXPECT_EQ(answer["chosen"]["bytes"], 3 * 2 * 4 * 1024 * (32 + 64) / 8);
    EXPECT_EQ(answer["chosen"]["bytes_exact"], false);
    EXPECT_EQ(answer["codecs"][1]["bits_per_value"], 3.5);
    auto const text = kvstone("choose --model demo --context 1k --max-kld 0.01").out;
    EXPECT_THAT(text, HasSubstr("the cache's bytes are those of a codec that its scenario alone can run"));
    EXPECT_THAT(text, HasSubstr("no engine is known to have it"));
}

TEST_F(ChooseTest, BytesAreOfTheContextAskedForAndALongerOneIsSaidLoudly) {
    // Most of 256 tokens is window: fewer bits per value than q8_0 from some length on alone.
    store({{"q8_0", kld(0, 0.001, 0.002)}, {"window(128){fp16} rest{q4_0}", kld(0, 0.001, 0.002)}}, 256);
    EXPECT_EQ(chosen("--context 256 --max-kld 0.01")["chosen"]["codec"], "q8_0");
    auto const far = chosen("--context 32k --max-kld 0.01");
    EXPECT_EQ(far["chosen"]["codec"], "window(128){fp16} rest{q4_0}");
    EXPECT_LT(far["chosen"]["bits_per_value"], 4.6);
    EXPECT_EQ(far["extrapolated"], true);
    auto const text = kvstone("choose --model demo --context 32k --max-kld 0.01").out;
    EXPECT_THAT(text, HasSubstr("EXTRAPOLATED: the KLD was measured with contexts of 256 tokens, not 32768"));
    std::istringstream lines(shell("unset COLUMNS; kvstone choose --model demo --context 32k --max-kld 0.01").out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120U) << line;
}

TEST_F(ChooseTest, SaysWhenNoneMeetsTheBoundAndWhatHasToBeMeasured) {
    auto const nothing = kvstone("choose --model tiny --context 512 --max-kld 0.01");
    EXPECT_EQ(nothing.code, 5) << nothing.err;
    EXPECT_THAT(nothing.out,
                HasSubstr("There is no database kvstone.db. Measure first:\n  kvstone run model-quality --db "
                          "kvstone.db --set 'grid.context=[512]'\n"));
    EXPECT_FALSE(std::filesystem::exists(path("kvstone.db")));
    store({{"q4_0", kld(0.005, 0.008, 0.0101)}, {"layers(7){fp16} rest{q4_0}", kld(0, 0, 0)}});
    auto const none = kvstone("choose --model demo --context 1k --max-kld 0.01");
    EXPECT_EQ(none.code, 3);
    EXPECT_THAT(none.out, HasSubstr("No codec of 2 has a mean KLD of 0.01 nat or less"));
    EXPECT_THAT(none.out, HasSubstr("the codec names layers that the tensor does not have"));
    EXPECT_EQ(chosen("--context 1k --max-kld 0.01", 3)["chosen"], nullptr);
    auto const other_protocol = kvstone("choose --model demo --context 1k --max-kld 0.01 --protocol inline");
    EXPECT_EQ(other_protocol.code, 5);
    EXPECT_THAT(other_protocol.out, HasSubstr("kvstone.db has no KLD of demo with protocol inline. Measure first"));
    auto const tiny = kvstone("choose --model tiny --context 100k --max-kld 0.01");
    EXPECT_EQ(tiny.code, 5) << tiny.err;
    EXPECT_THAT(tiny.out, Not(HasSubstr("102400"))) << "no longer than the model can read";
}

TEST_F(ChooseTest, RefusesWhatItCannotAnswer) {
    store({{"q8_0", kld(0.001, 0.002, 0.003)}});
    auto const refused = [&](std::string const& arguments, std::string const& message) {
        auto const ended = kvstone("choose " + arguments);
        EXPECT_EQ(ended.code, 2) << arguments << ended.out;
        EXPECT_THAT(ended.err, HasSubstr(message)) << arguments;
    };
    refused(
        "--model dmo --context 1k --max-kld 0.01",
        "neither a GGUF file nor a model that the database has measured: 'dmo'; accepted: demo (did you mean 'demo'?)");
    refused("--model none.gguf --context 1k --max-kld 0.01", "there is no such model file: 'none.gguf'");
    refused("--model demo --context all --max-kld 0.01", "--context: expected a number of tokens");
    refused("--model demo --context many --max-kld 0.01", "--context");
    refused("--model demo --context 1k --max-kld -1", "--max-kld: expected nats, 0 or more: '-1'");
    refused("--model demo --context 1k --max-kld nan", "--max-kld: expected a number: 'nan'");
    refused("--model demo --context 1k --max-kld 1 --memory '3 parsecs'", "--memory");
    write("broken.gguf", "GGUF and nothing behind it");
    refused("--model broken.gguf --context 1k --max-kld 0.01", "broken.gguf");
    write("kvstone.db", "no database");
    refused("--model demo --context 1k --max-kld 0.01", "kvstone.db");
}

TEST_F(ChooseTest, AnswersForTheShippedModel) {
    write("s.yaml",
          "kvstone: 1\nname: small\nsources: [{name: shipped, model: {gguf: tiny, text: builtin}}]\n"
          "grid: {context: [96], codec: [raw, q8_0, 'int:bits=2,axis=token']}\n"
          "workloads: [model: {protocol: context, passages: 3, continuation: 16}]\nmeasure: {timing: off}\n");
    auto const ended = kvstone("run s.yaml");
    if (ended.out.find("made without libllama") != std::string::npos) GTEST_SKIP() << "this build reads no models";
    ASSERT_EQ(ended.code, 0) << ended.err << ended.out;
    auto const pareto = kvstone("show --pareto");
    EXPECT_EQ(pareto.code, 0);
    EXPECT_THAT(pareto.out, HasSubstr("q8_0"));
    EXPECT_EQ(json::parse(kvstone("show --pareto --json").out).size(), 3U);
    auto const best = json::parse(kvstone("show --best 'kld_mean < 0.001' --json").out);
    EXPECT_EQ(best[0]["codec_name"], "q8_0") << best;
    EXPECT_EQ(kvstone("show --best 'kld_men < 1'").code, 2);
    auto const chosen = kvstone("choose --model tiny --context 96 --max-kld 0.001 --json");
    ASSERT_EQ(chosen.code, 0) << chosen.err << chosen.out;
    auto const answer = json::parse(chosen.out);
    EXPECT_EQ(answer["chosen"]["codec"], "q8_0");
    EXPECT_EQ(answer["measured"]["passages"], 3);
    // The bytes of the binding are those that the run has stored, plain elements being twice as wide there: none here.
    auto const stored = rows(
        "select value / 3 as bytes from v_latest where codec = 'q8_0' and component = 'kv' and metric = "
        "'stored_bytes'");
    EXPECT_EQ(stored[0]["bytes"].get<double>(), answer["chosen"]["bytes"].get<double>());
    // The name alone knows the model's shape, too.
    auto const by_name = kvstone("choose --model shipped --context 96 --max-kld 0.001 --json");
    EXPECT_EQ(json::parse(by_name.out)["shape"], answer["shape"]);
}

}  // namespace
}  // namespace kvstone
