// Our figures of SmolLM2 beside those of the field's own code (tests/peers/golden, written by `./dev test peers`).

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/engine/model_capture.hpp"
#include "harness/engine/passages.hpp"
#include "harness/workloads/tasks/batch.hpp"
#include "harness/workloads/tasks/formats.hpp"
#include "harness/workloads/tasks/groups.hpp"
#include "tests/harness/attempt_fixture.hpp"
#include "tests/places.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

class Peers : public AttemptTest {
  protected:
    void SetUp() override {
        AttemptTest::SetUp();
        auto const model = fetched_test_model("smollm2");
        if (!model) GTEST_SKIP() << run_dev_data("smollm2");
        auto const text = test_data("text/wikitext2_test.txt");
        if (!text) GTEST_SKIP() << "wikitext2_test.txt is not among the test data";
        files_ = {model->string(), text->string()};
    }
    static Json golden(std::string const& name) {
        return parse_json(read_file(source_folder() + "/tests/peers/golden/" + name + ".json"));
    }
    Measurement run(std::string const& workload, std::string const& codec, Json options, std::uint64_t context) {
        auto const measured = AttemptTest::run(model_request(files_, workload, codec, std::move(options), context));
        EXPECT_EQ(measured.status, Status::ok) << measured.reason << measured.stderr_tail;
        return measured;
    }
    static double mean(std::vector<double> const& values) {
        return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    }
    /// Two standard errors of the mean.
    static double two_errors(std::vector<double> const& values) {
        double sum = 0;
        for (auto const value : values) sum += std::pow(value - mean(values), 2);
        auto const count = static_cast<double>(values.size());
        return 2 * std::sqrt(sum / (count * (count - 1)));
    }

    ModelFiles files_;
};

TEST_F(Peers, ReadTheSameText) {
    constexpr std::size_t windows = 2;
    auto const llama = golden("llama_texts");
    auto const transformers = golden("transformers_model");
    auto const window = llama["window"].get<std::uint64_t>();
    ASSERT_EQ(window, transformers["window"]);
    auto const at = [&](Json const& running) { return running[windows - 1].get<double>(); };
    double nll = 0;
    for (std::size_t i = 0; i < windows; ++i) nll += transformers["nll"][i].get<double>();
    auto const dequantised = std::exp(nll / windows);

    Engine const engine(files_.model);
    PathSettings settings;
    settings.protocol = Protocol::within;
    Evaluation evaluation(engine, Codec::parse("q4_0"), settings, window);
    std::vector<double> plain, by_codec, kld;
    for (auto const& passage : read_passages(engine, files_.text, {window / 2, window / 2, windows, {}}).all) {
        evaluation.begin(passage.context);
        for (auto const& token : evaluation.score(passage.continuation)) {
            plain.push_back(token.baseline_nll);
            by_codec.push_back(token.nll - token.baseline_nll);
            kld.push_back(token.kld);
        }
    }
    std::printf("ppl without a codec: ours %.4f, llama-perplexity %.4f, transformers %.4f\n", std::exp(mean(plain)),
                at(llama["ppl"]), dequantised);
    EXPECT_NEAR(std::exp(mean(plain)), at(llama["ppl"]), 0.001 * at(llama["ppl"]));
    // It does not round the factors of Q4 weights.
    EXPECT_NEAR(std::exp(mean(plain)), dequantised, 0.02 * dequantised);

    auto const& theirs = llama["caches"]["q4_0"];
    auto const wanted = std::log(at(theirs["ppl"]) / at(llama["ppl"]));
    std::printf("q4_0: log of ppl over that without %+.4f, llama-perplexity %+.4f; KLD %.4f, theirs %.4f\n",
                mean(by_codec), wanted, mean(kld), at(theirs["kld"]));
    EXPECT_NEAR(mean(by_codec), wanted, two_errors(by_codec));
    EXPECT_NEAR(mean(kld), at(theirs["kld"]), 0.2 * mean(kld));
}

/// transformers turns pairs (i, i + dim / 2) by RoPE where libllama turns (2 i, 2 i + 1).
std::uint64_t in_our_order(std::int64_t dim, std::uint64_t count) {
    auto const place = static_cast<std::uint64_t>(dim < 0 ? dim + static_cast<std::int64_t>(count) : dim);
    return place < count / 2 ? 2 * place : 2 * (place - count / 2) + 1;
}

TEST_F(Peers, TransformersWritesTheSameKAndV) {
    auto const said = golden("transformers_model");
    auto const tokens = said["tokens"].get<std::uint64_t>();
    auto const ours = capture_model(files_.model, files_.text, tokens, {.k = true, .v = true});
    auto const& shape = ours.k->shape;
    for (auto const* name : {"k", "v"}) {
        auto const values = floats(*name == 'k' ? *ours.k : *ours.v);
        for (auto const& [layer, heads] : said[name].items()) {
            double apart = 0, norm = 0;
            for (std::uint64_t head = 0; head < shape.heads; ++head) {
                for (std::size_t i = 0; i < said["dims"].size(); ++i) {
                    auto const dim = said["dims"][i].get<std::int64_t>();
                    auto const place = *name == 'k' ? in_our_order(dim, shape.dim)
                                                    : static_cast<std::uint64_t>(dim < 0 ? dim + 64 : dim);
                    auto const vector = (std::stoull(layer) * shape.heads + head) * shape.tokens + tokens - 1;
                    auto const theirs = heads[head][i].get<double>();
                    apart += std::pow(values[vector * shape.dim + place] - theirs, 2);
                    norm += theirs * theirs;
                }
            }
            std::printf("%s of layer %s: relative distance %.4f\n", name, layer.c_str(), std::sqrt(apart / norm));
            EXPECT_LT(std::sqrt(apart / norm), 0.1) << name << ' ' << layer;
        }
    }
}

TEST_F(Peers, QuantoStoresTheSame) {
    auto const said = golden("transformers_caches");
    auto const tokens = said["tokens"].get<std::uint64_t>();
    for (auto const& bits : {std::string("4"), std::string("2")}) {
        for (auto const& [name, k_axis] : {std::pair{"quanto default", "token"}, {"quanto as KIVI", "channel"}}) {
            auto const text = "int:bits=" + bits + ",scheme=asymmetric,group=64,axis=";
            auto const ours = run("roundtrip", "k{" + text + k_axis + "} v{" + text + "token}", Json::object(), tokens);
            auto const& theirs = said["caches"][name + (", " + bits + " bits")];
            EXPECT_NEAR(value(ours, "bits_per_value"), theirs["bits"].get<double>(), 0.01) << name << bits;
            for (auto const* part : {"k", "v"}) {
                auto const found = std::ranges::find_if(ours.figures, [&](Figure const& figure) {
                    return figure.component == part && figure.metric == "nmse";
                });
                ASSERT_NE(found, ours.figures.end());
                auto const wanted = theirs[std::string(part) + "_nmse"].get<double>();
                std::printf("%s, %s bits, %s: NMSE %.3e, theirs %.3e\n", name, bits.c_str(), part, *found->value,
                            wanted);
                EXPECT_NEAR(*found->value, wanted, 0.03 * wanted);
            }
        }
    }
}

/// The best choice, and by how much.
std::pair<std::size_t, double> best(std::vector<double> const& scores) {
    auto const first = std::ranges::max_element(scores);
    double second = -HUGE_VAL;
    for (auto other = scores.begin(); other != scores.end(); ++other)
        if (other != first) second = std::max(second, *other);
    return {static_cast<std::size_t>(first - scores.begin()), *first - second};
}

TEST_F(Peers, LmEvalChoosesTheSame) {
    constexpr std::uint64_t items = 4;
    auto const piqa = test_data("tasks/piqa_valid.jsonl");
    auto const labels = test_data("tasks/piqa_valid-labels.lst");
    auto const arc = test_data("tasks/genmc_arc_easy_official_dev.jsonl");
    if (!piqa || !labels || !arc) GTEST_SKIP() << "piqa_valid.jsonl or ARC is not among the test data";
    auto const said = golden("lm_eval_tasks");
    Engine const engine(files_.model);
    auto const tokens_of = [&](std::string_view text) { return engine.tokenize(text, true, "").size(); };
    for (auto const& [task, theirs] : said["tasks"].items()) {
        if (task == "hellaswag") continue;  // its file has no ctx_a and ctx_b, which its published form has
        auto const all = task == "piqa" ? read_items("piqa", *piqa, *labels) : read_items("arc", *arc, {});
        auto const context = said["context"].get<std::uint64_t>();
        auto const batch = batch_of(engine, file_groups(all, context + 2, items, "", tokens_of).front());
        ASSERT_EQ(batch.items.size(), items);
        ASSERT_THAT(batch.items.front().origin, ::testing::EndsWith(":" + theirs["first_line"].dump()));
        Evaluation evaluation(engine, Codec::parse("raw"), {}, most_tokens(batch), {}, engine_branches);
        Answered answered;
        answer(evaluation, batch, answered);
        std::size_t same = 0, ties = 0;
        double furthest = 0;
        for (std::size_t i = 0; i < items; ++i) {
            std::vector<double> ours;
            for (auto const& score : answered.items[i].scores) ours.push_back(score.log_likelihood);
            auto const wanted = theirs["log_likelihoods"][i].get<std::vector<double>>();
            ASSERT_EQ(ours.size(), wanted.size());
            for (std::size_t c = 0; c < ours.size(); ++c) furthest = std::max(furthest, std::abs(ours[c] - wanted[c]));
            auto const [choice, margin] = best(wanted);
            if (best(ours).first == choice)
                ++same;
            else if (margin < 1)
                ++ties;
        }
        std::printf("%s: the same choice for %zu of %zu items, %zu ties; log likelihoods at most %.3f nat apart\n",
                    task.c_str(), same, static_cast<std::size_t>(items), ties, furthest);
        EXPECT_EQ(same + ties, items);
        EXPECT_LE(ties, 1U);
    }
}

}  // namespace
}  // namespace kvstone
