// Workload tasks: scores beside a computation of their own, the effect of codecs on them, and errors.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <llama.h>

#include "harness/engine/scored_text.hpp"
#include "harness/workloads/tasks/batch.hpp"
#include "harness/workloads/tasks/formats.hpp"
#include "harness/workloads/tasks/groups.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/attempt_fixture.hpp"
#include "tests/harness/engine/model_fixture.hpp"
#include "tests/places.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

TEST_F(TinyModel, ScoringBeginsWhereTheContinuationDoes) {
    auto const plain = scored_text(engine_, "What was the trade of Marric?", " Marric was a baker.", "");
    auto const scored = [&](ScoredText const& text) {
        return engine_.text_of(std::span(text.tokens).subspan(text.scored_from));
    };
    EXPECT_EQ(scored(plain), " Marric was a baker.");
    // One token across the border is scored, too.
    auto const joined = scored_text(engine_, "The numb", "er of Marric", "");
    EXPECT_EQ(scored(joined), " number of Marric");
    auto const prefix = engine_.tokenize("What was the trade of Tobin", true, "");
    EXPECT_EQ(engine_.text_of(std::span(plain.tokens).first(shared_tokens(prefix, {{plain}}))),
              "What was the trade of");
    EXPECT_EQ(shared_tokens(plain.tokens, {{plain}}), plain.scored_from - 1) << "one token must foretell the first";
}

/// The engine's own interface, nothing of ours: a text in one batch.
class ByHand {
  public:
    explicit ByHand(std::string const& path)
        : model_(llama_model_load_from_file(path.c_str(), llama_model_default_params())) {}
    ~ByHand() { llama_model_free(model_); }
    ByHand(ByHand const&) = delete;
    ByHand& operator=(ByHand const&) = delete;

    /// In double, of the tokens that the continuation adds; of one fewer; and of one more.
    struct LogLikelihoods {
        double right, fewer, more;
    };
    LogLikelihoods log_likelihoods(std::string const& context, std::string const& continuation) const {
        auto const each = log_probabilities(tokens_of(context + continuation));
        auto const first = each.begin() + static_cast<std::ptrdiff_t>(tokens_of(context).size());
        auto const from = [&](std::ptrdiff_t by) { return std::accumulate(first + by, each.end(), 0.0); };
        return {from(0), from(1), from(-1)};
    }

  private:
    llama_vocab const* vocabulary() const { return llama_model_get_vocab(model_); }
    std::vector<llama_token> tokens_of(std::string const& text) const {
        std::vector<llama_token> ids(text.size() + 8);
        ids.resize(static_cast<std::size_t>(llama_tokenize(vocabulary(), text.data(), static_cast<int>(text.size()),
                                                           ids.data(), static_cast<int>(ids.size()), true, false)));
        return ids;
    }
    /// Of each token; 0 of the first.
    std::vector<double> log_probabilities(std::vector<llama_token> const& tokens) const {
        auto parameters = llama_context_default_params();
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = 1024;
        parameters.n_threads = parameters.n_threads_batch = 1;
        parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
        parameters.type_k = parameters.type_v = GGML_TYPE_F32;
        auto* const run = llama_init_from_model(model_, parameters);
        auto batch = llama_batch_init(static_cast<int>(tokens.size()), 0, 1);
        batch.n_tokens = static_cast<int>(tokens.size());
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            batch.token[i] = tokens[i];
            batch.pos[i] = static_cast<llama_pos>(i);
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i] = 1;
        }
        EXPECT_EQ(llama_decode(run, batch), 0);
        std::vector<double> each(tokens.size());
        for (std::size_t i = 1; i < tokens.size(); ++i) {
            auto const* const logits = llama_get_logits_ith(run, static_cast<int>(i - 1));
            double total = 0;
            for (int t = 0; t < llama_vocab_n_tokens(vocabulary()); ++t) total += std::exp(double{logits[t]});
            each[i] = double{logits[tokens[i]]} - std::log(total);
        }
        llama_batch_free(batch);
        llama_free(run);
        return each;
    }

    llama_model* model_;
};

TEST_F(TinyModel, ThreePiqaItemsAreScoredAsByHand) {
    auto const piqa = test_data("tasks/piqa_valid.jsonl");
    auto const labels = test_data("tasks/piqa_valid-labels.lst");
    if (!piqa || !labels) GTEST_SKIP() << "PIQA is not among the test data";
    auto const tokens_of = [&](std::string_view text) { return engine_.tokenize(text, true, "").size(); };
    auto const groups = file_groups(read_items("piqa", *piqa, *labels), 512, 3, "", tokens_of);
    ASSERT_EQ(groups.size(), 1U);
    auto const batch = batch_of(engine_, groups[0]);
    EXPECT_GE(batch.context.size(), 510U);
    Evaluation evaluation(engine_, Codec::parse("raw"), {}, most_tokens(batch), {}, engine_branches);
    Answered answered;
    answer(evaluation, batch, answered);
    ASSERT_EQ(answered.items.size(), 3U);

    // The engine takes other kernels on other processors and for batches of other lengths. The model's matrices are F16:
    // each kernel rounds its factors to 11 significant bits, so a sum is known to that share of itself.
    constexpr double relative_rounding = 1.0 / 2048;
    double const answer_bytes[3][2] = {{98, 89}, {141, 142}, {41, 40}};  // counted in the file's lines
    ByHand const hand(model_path());
    double right = 0, right_norm = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        auto const& item = groups[0].items[i];
        auto const& outcome = answered.items[i];
        double sums[2], per_byte[2], tolerance = 0;
        for (std::size_t c = 0; c < 2; ++c) {
            auto const& choice = item.choices[c];
            auto const by_hand = hand.log_likelihoods(groups[0].prefix + choice.context, choice.continuation);
            auto const ours = outcome.baseline_scores[c].log_likelihood;
            std::printf("item %zu choice %zu: by hand %.4f, ours %.4f; one token fewer %.4f, one more %.4f\n", i, c,
                        by_hand.right, ours, by_hand.fewer, by_hand.more);
            tolerance = relative_rounding * std::abs(by_hand.right);
            EXPECT_NEAR(ours, by_hand.right, tolerance);
            EXPECT_GT(std::abs(ours - by_hand.fewer), tolerance) << "one token less is found out";
            EXPECT_GT(std::abs(ours - by_hand.more), tolerance) << "one token more is found out";
            EXPECT_EQ(static_cast<double>(outcome.answer_bytes[c]), answer_bytes[i][c]);
            EXPECT_EQ(outcome.scores[c].log_likelihood, ours) << "raw changes nothing";
            sums[c] = by_hand.right;
            per_byte[c] = by_hand.right / answer_bytes[i][c];
        }
        ASSERT_GT(std::abs(sums[0] - sums[1]), 2 * tolerance) << "rounding may not choose";
        right += (sums[1] > sums[0] ? 1U : 0U) == outcome.gold ? 1 : 0;
        right_norm += (per_byte[1] > per_byte[0] ? 1U : 0U) == outcome.gold ? 1 : 0;
    }
    Measurement measurement;
    add_task_figures(answered.items, false, measurement);
    for (auto const& figure : measurement.figures) {
        if (figure.metric == "acc") {
            EXPECT_DOUBLE_EQ(*figure.value, right / 3);
        }
        if (figure.metric == "acc_norm") {
            EXPECT_DOUBLE_EQ(*figure.value, right_norm / 3);
        }
    }
}

class TasksWorkload : public AttemptTest {
  protected:
    Measurement run(std::string const& codec, Json options, std::uint64_t context = 0, std::string const& file = {}) {
        if (!options.contains("protocol")) options["protocol"] = "context";
        if (!file.empty()) options["file"] = named_hash(file);
        auto request = model_request({}, "tasks", codec, std::move(options), context);
        if (!file.empty()) request.cell.locator["files"] = {{"file", file}};
        return AttemptTest::run(request);
    }
};

Json const pairs{{"task", "key_value"}, {"items", 48}};

TEST_F(TasksWorkload, TwoBitsRuinRecallAndEightDoNot) {
    auto const raw = run("raw", pairs, 768);
    ASSERT_EQ(raw.status, Status::ok) << raw.reason << raw.stderr_tail;
    EXPECT_EQ(raw.reason, "");
    EXPECT_EQ(raw.task, "key_value");
    EXPECT_EQ(raw.protocol, "context");
    EXPECT_EQ(value(raw, "task_items"), 48);
    EXPECT_GE(value(raw, "task_context_tokens"), 768);
    EXPECT_LT(value(raw, "task_context_tokens"), 800);
    EXPECT_EQ(value(raw, "flips_to_wrong") + value(raw, "flips_to_right"), 0);
    EXPECT_EQ(value(raw, "recall_accuracy_delta"), 0);
    EXPECT_EQ(value(raw, "mcnemar_p"), 1);
    EXPECT_GT(value(raw, "compressed_read_fraction"), 0.95);
    EXPECT_NEAR(value(raw, "bits_per_value"), 32, 0.1);

    auto const eight = run("int:bits=8,axis=token", pairs, 768);
    auto const two = run("int:bits=2,axis=token", pairs, 768);
    std::printf("recall of 48 pairs: plain %.3f, int8 %.3f, int2 %.3f\n", value(raw, "recall_accuracy"),
                value(eight, "recall_accuracy"), value(two, "recall_accuracy"));
    EXPECT_EQ(value(eight, "baseline_recall_accuracy"), value(raw, "recall_accuracy"));
    EXPECT_GT(value(raw, "recall_accuracy"), 0.5);
    EXPECT_LT(std::abs(value(eight, "recall_accuracy_delta")), 0.05);
    EXPECT_LT(value(two, "recall_accuracy"), 0.1);
    EXPECT_LT(value(two, "mcnemar_p"), 1e-6);
    EXPECT_EQ(two.reason, "") << "a ruined codec is no poor baseline";
}

/// Items that the shipped model can tell: one choice is of its world.
TEST_F(TasksWorkload, AFileIsAskedFromEndToEnd) {
    ScratchFolder const folder;
    std::string goals, gaps;
    for (int i = 0; i < 40; ++i) {
        bool const first = i % 3 == 0;
        auto const label = [&](int base) { return std::to_string(first ? base : base + 1); };
        std::string const known = i % 2 == 0 ? "The rain fell on the roofs until noon." : "Tobin carried the old map.";
        std::string const unknown = i % 2 == 0 ? "Zq rgk uu the xkc!" : "Kpz qwx vvj the hhd qq.";
        goals += R"({"goal": "Tell it )" + std::to_string(i) + R"(", "sol1": ")" + (first ? known : unknown) +
                 R"(", "sol2": ")" + (first ? unknown : known) + R"(", "label": )" + label(0) + "}\n";
        gaps += std::string(R"({"sentence": "The number of Marric was _ of Tobin, the baker.", "option1": ")") +
                (first ? "that" : "zqj xw") + R"(", "option2": ")" + (first ? "zqj xw" : "that") + R"(", "answer": ")" +
                label(1) + "\"}\n";
    }
    Json options{{"task", "piqa"}, {"min_context_tokens", 200}};
    auto const piqa = run("int:bits=8,axis=token", options, 0, folder.write("goals.jsonl", goals));
    ASSERT_EQ(piqa.status, Status::ok) << piqa.reason << piqa.stderr_tail;
    EXPECT_EQ(piqa.reason, "");
    EXPECT_EQ(piqa.task, "piqa");
    EXPECT_EQ(value(piqa, "task_items"), 40) << "those of the prefix are asked, too";
    EXPECT_GT(value(piqa, "acc"), 0.9);
    EXPECT_GT(value(piqa, "acc_norm"), 0.9);
    EXPECT_EQ(value(piqa, "chance_accuracy"), 0.5);
    EXPECT_GE(value(piqa, "task_context_tokens"), 200);

    options["task"] = "winogrande";
    options["items"] = 10;
    auto const gap = run("int:bits=8,axis=token", options, 0, folder.write("gaps.jsonl", gaps));
    EXPECT_EQ(value(gap, "task_items"), 10);
    EXPECT_TRUE(std::ranges::none_of(gap.figures, [](Figure const& one) { return one.metric == "acc_norm"; }))
        << "one text is scored behind all options";
}

TEST_F(TasksWorkload, OtherProtocolsReadTheSameItems) {
    Json few{{"task", "key_value"}, {"items", 4}, {"protocol", "inline"}};
    auto const within = run("int:bits=8,axis=token", few, 512);
    few["protocol"] = "decode";
    auto const decode = run("int:bits=8,axis=token", few, 512);
    EXPECT_EQ(value(within, "baseline_recall_accuracy"), value(decode, "baseline_recall_accuracy"));
    EXPECT_EQ(value(within, "compressed_read_fraction"), 1);
    EXPECT_EQ(run("int8", {{"task", "needle"}, {"items", 1}, {"protocol", "inline"}}, 512).status, Status::skipped);
}

TEST_F(TasksWorkload, SaysWhatTheModelCannotDo) {
    auto const chains = run("int8", {{"task", "variables"}, {"items", 30}}, 512);
    EXPECT_EQ(chains.status, Status::ok);
    EXPECT_THAT(chains.reason, HasSubstr("poor_baseline: "));
    EXPECT_THAT(chains.stderr_tail, HasSubstr("poor_baseline: "));
}

TEST_F(TasksWorkload, MarksWhatWasNotEngaged) {
    auto const measured = run("window(400){raw} rest{fp16}", {{"task", "key_value"}, {"items", 4}}, 512);
    EXPECT_EQ(measured.status, Status::ok);
    EXPECT_THAT(measured.reason, HasSubstr("not_engaged: "));
    EXPECT_LT(value(measured, "compressed_read_fraction"), 0.5);
}

TEST_F(TasksWorkload, FindsCodecsOutThatDoNotReadWhatIsStored) {
    setenv("KVSTONE_ATTEMPT", (programs_folder() + "/kvstone-attempt-faults").c_str(), 1);
    Json const few{{"task", "key_value"}, {"items", 2}};
    auto const forgetful = run("fault:how=forget", few, 512);
    EXPECT_EQ(forgetful.status, Status::verify_failed);
    EXPECT_EQ(forgetful.reason, "kv: a spoilt cache does not change the logits");
    EXPECT_THAT(run("fault:how=infinite", few, 512).reason, HasSubstr("scored tokens have no finite likelihood"));
}

TEST_F(TasksWorkload, RefusesWithTheReason) {
    ScratchFolder const folder;
    auto const refusal = [&](Json const& options, std::uint64_t context, std::string const& lines = {}) {
        auto const file = lines.empty() ? "" : folder.write("items.jsonl", lines);
        auto const measured = run("fp16", options, context, file);
        EXPECT_TRUE(measured.figures.empty()) << measured.reason;
        return std::string(name_of(measured.status)) + ": " + measured.reason;
    };
    EXPECT_THAT(refusal({{"task", "needle"}}, 8192),
                HasSubstr("skipped: " + builtin_path("tiny") +
                          ": the model was trained on shorter texts than the context: '8192'"));
    EXPECT_THAT(refusal({{"task", "needle"}}, 100), HasSubstr("accepted: min_context_tokens: 100"));
    EXPECT_THAT(refusal({{"task", "key_value"}, {"min_context_tokens", 64}}, 64), HasSubstr("facts of task key_value"));
    std::string const item = R"({"goal": "Walk", "sol1": "Go.", "sol2": "Stay.", "label": 0})";
    EXPECT_THAT(refusal({{"task", "piqa"}}, 0, item + "\n" + item), HasSubstr("no item is left behind a prefix"));
    std::string many;
    for (int i = 0; i < 80; ++i) many += item + "\n";
    EXPECT_THAT(refusal({{"task", "piqa"}}, 0, many + "{\"goal\"\n"), HasSubstr("items.jsonl:81:"));
    std::string endless = R"({"goal": "Walk", "label": 0, "sol2": "Stay.", "sol1": ")";
    for (int i = 0; i < 3000; ++i) endless += "go on ";
    EXPECT_THAT(refusal({{"task", "piqa"}}, 0, many + endless + "\"}\n"),
                HasSubstr("items.jsonl:81: the model was trained on shorter texts than this item takes"));
}

}  // namespace
}  // namespace kvstone
