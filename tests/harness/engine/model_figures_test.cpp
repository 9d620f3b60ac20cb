// From logits to scores, and from scores to figures: closed forms.

#include "harness/workloads/model/model_figures.hpp"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "harness/workloads/model/token_kinds.hpp"

namespace kvstone {
namespace {

TEST(CompareLogits, HasTheClosedForms) {
    // p = 1/2, 1/4, 1/4 and q = 1/4, 1/2, 1/4, both shifted: logits are known but for a constant.
    std::vector<float> const p{std::log(2.F) + 7, 7, 7};
    std::vector<float> const q{-3, std::log(2.F) - 3, -3};
    auto const score = compare_logits(p, q, 0);
    EXPECT_NEAR(score.nll, std::log(4.0), 1e-6);
    EXPECT_NEAR(score.baseline_nll, std::log(2.0), 1e-6);
    EXPECT_NEAR(score.kld, 0.25 * std::log(2.0), 1e-6);  // 1/2 log 2 - 1/4 log 2
    EXPECT_FALSE(score.same_top);
    EXPECT_NEAR(score.baseline_top_probability, 0.5, 1e-6);
    EXPECT_NEAR(log_probability(q, 1), -std::log(2.0), 1e-6);
    auto const same = compare_logits(p, p, 2);
    EXPECT_EQ(same.kld, 0);
    EXPECT_TRUE(same.same_top);
    // Logits far apart neither overflow nor lose the small one.
    std::vector<float> const far{1000, 0, -1000};
    EXPECT_NEAR(compare_logits(far, far, 1).nll, 1000, 1e-9);
    EXPECT_TRUE(std::isfinite(compare_logits(far, p, 0).kld));
    EXPECT_THROW(compare_logits(p, std::span(q).first(2), 0), std::invalid_argument);
}

PassageScores passage(std::vector<TokenScore> tokens) {
    PassageScores scores;
    scores.tokens = std::move(tokens);
    return scores;
}

Figure figure_of(Measurement const& measurement, std::string const& metric) {
    auto const found = std::ranges::find_if(measurement.figures,
                                            [&](Figure const& f) { return f.component == "kv" && f.metric == metric; });
    if (found != measurement.figures.end()) return *found;
    ADD_FAILURE() << "no figure " << metric;
    return {};
}

TEST(ModelFigures, HaveTheClosedForms) {
    Measurement measurement;
    // Two passages of different lengths: means are over tokens, not over passages.
    add_score_figures(
        {passage({{.position = 1, .nll = 1, .baseline_nll = 1, .kld = 0, .same_top = true, .read_fraction = 1},
                  {.position = 2, .nll = 2, .baseline_nll = 1, .kld = 0.1, .same_top = true, .read_fraction = 0.5},
                  {.position = 3, .nll = 3, .baseline_nll = 1, .kld = 0.2, .same_top = false, .read_fraction = 0}}),
         passage({{.position = 1, .nll = 2, .baseline_nll = 1, .kld = 0.7, .same_top = true, .read_fraction = 1}})},
        measurement);
    auto const value = [&](char const* metric) { return figure_of(measurement, metric).value.value_or(-1); };
    EXPECT_NEAR(value("ppl"), std::exp(2.0), 1e-12);
    EXPECT_NEAR(value("baseline_ppl"), std::exp(1.0), 1e-12);
    EXPECT_NEAR(value("ppl_delta_percent"), 100 * (std::exp(1.0) - 1), 1e-9);
    EXPECT_NEAR(value("ppl_standard_error"), std::exp(2.0) * std::sqrt(0.5 / 3), 1e-12);
    EXPECT_NEAR(value("kld_mean"), 0.25, 1e-12);
    EXPECT_EQ(value("kld_median"), 0.1);
    EXPECT_EQ(value("kld_p99"), 0.7);
    EXPECT_EQ(value("kld_max"), 0.7);
    EXPECT_EQ(value("top1_agreement"), 0.75);
    EXPECT_EQ(value("compressed_read_fraction"), 0.625);
    EXPECT_EQ(figure_of(measurement, "ppl").n, 4U);
    // Resampled passages: both of one or both of the other are the extremes, each in a quarter of the draws.
    auto const kld = figure_of(measurement, "kld_mean");
    EXPECT_NEAR(kld.ci_low.value_or(-1), 0.1, 1e-12);
    EXPECT_NEAR(kld.ci_high.value_or(-1), 0.7, 1e-12);
    auto const at_two = std::ranges::find_if(
        measurement.profiles, [](ProfileFigure const& p) { return p.metric == "kld_mean" && p.position == 2; });
    ASSERT_NE(at_two, measurement.profiles.end());
    EXPECT_NEAR(at_two->value, 0.1, 1e-12);
}

/// Tokens of one passage err alike: the interval is that of so many passages, by the normal law, and not the one seven
/// times narrower of so many tokens.
TEST(ModelFigures, IntervalsResamplePassages) {
    constexpr int passages = 40;
    constexpr int tokens_each = 50;
    std::vector<PassageScores> by_passage, by_token;
    double mean = 0;
    double square = 0;
    for (int i = 0; i < passages; ++i) {
        double const kld = 1 + std::sin(2.4 * i);
        mean += kld / passages;
        square += kld * kld / passages;
        std::vector<TokenScore> tokens(tokens_each, {.position = 1, .nll = kld, .kld = kld});
        for (auto const& token : tokens) by_token.push_back(passage({token}));
        by_passage.push_back(passage(std::move(tokens)));
    }
    double const half_width = 1.96 * std::sqrt((square - mean * mean) / passages);
    auto const widths = [&](std::vector<PassageScores> const& scores) {
        Measurement measurement;
        add_score_figures(scores, measurement);
        std::vector<double> all;
        for (auto const* metric : {"kld_mean", "ppl_delta_percent"}) {
            auto const figure = figure_of(measurement, metric);
            // The second is 100 (e^x - 1) of the same x.
            auto const straight = [&](std::optional<double> const& end) {
                return all.empty() ? end.value_or(0) : std::log1p(end.value_or(0) / 100);
            };
            all.push_back((straight(figure.ci_high) - straight(figure.ci_low)) / 2 / half_width);
        }
        return all;
    };
    for (auto const width : widths(by_passage)) EXPECT_NEAR(width, 1, 0.2);
    for (auto const width : widths(by_token)) EXPECT_LT(width, 0.25) << "single tokens resampled are told apart";
}

TEST(ModelFigures, OnePassageBearsNoInterval) {
    Measurement measurement;
    add_score_figures({passage({{.position = 5, .nll = 1, .baseline_nll = 1, .kld = 0.5}})}, measurement);
    EXPECT_FALSE(figure_of(measurement, "kld_mean").ci_low.has_value());
    EXPECT_EQ(figure_of(measurement, "kld_mean").value, 0.5);
}

TEST(ModelFigures, LongPassagesGiveAtMost64BinsThatMissNothing) {
    Measurement measurement;
    std::vector<TokenScore> tokens;
    for (std::uint64_t position = 1000; position < 1000 + 130; ++position)
        tokens.push_back({.position = position, .kld = 1});
    add_score_figures({passage(tokens)}, measurement);
    auto const bins =
        std::ranges::count_if(measurement.profiles, [](ProfileFigure const& p) { return p.metric == "kld_mean"; });
    EXPECT_EQ(bins, 44);  // of 3 positions each
    for (auto const& p : measurement.profiles) {
        if (p.metric == "kld_mean") {
            EXPECT_EQ(p.value, 1) << p.position;
        }
    }
}

TEST(ModelFigures, TailsHaveTheClosedForms) {
    // KLD of 0, 1, ..., 499 and 500, ..., 999 thousandths: by nearest rank the 999th of 1,000 is 0.998.
    std::vector<TokenScore> first, second;
    for (int i = 0; i < 500; ++i) first.push_back({.position = 1, .kld = i / 1000.0});
    for (int i = 500; i < 1000; ++i) second.push_back({.position = 1, .kld = i / 1000.0});
    Measurement measurement;
    add_score_figures({passage(first), passage(second)}, measurement);
    EXPECT_EQ(figure_of(measurement, "kld_p999").value, 0.998);
    // Twice the first passage, or twice the second: the 999th of each of 500 values two times is the 500th.
    EXPECT_EQ(figure_of(measurement, "kld_p999").ci_low, 0.499);
    EXPECT_EQ(figure_of(measurement, "kld_p999").ci_high, 0.999);
    EXPECT_EQ(figure_of(measurement, "large_kld_share").value, 0.899);  // 0.1 itself is not above
    second.pop_back();
    Measurement fewer;
    add_score_figures({passage(first), passage(second)}, fewer);
    EXPECT_TRUE(std::ranges::none_of(fewer.figures, [](Figure const& f) { return f.metric == "kld_p999"; }));
}

TEST(ModelFigures, TailsAreKeptAlongPosition) {
    // At position 1 the KLD is 1, ..., 100 thousandths, of sure tokens that all flip; at position 2 there are 99 tokens of 0.2.
    std::vector<TokenScore> first, second;
    for (int i = 1; i <= 100; ++i) {
        TokenScore const token{.position = 1, .kld = i / 1000.0, .same_top = false, .baseline_top_probability = 0.95};
        (i <= 50 ? first : second).push_back(token);
    }
    for (int i = 0; i < 99; ++i)
        first.push_back({.position = 2, .kld = 0.2, .same_top = false, .baseline_top_probability = 0.9});
    second.push_back({.position = 3, .kld = 0, .same_top = true, .baseline_top_probability = 0.95});
    Measurement measurement;
    add_score_figures({passage(first), passage(second)}, measurement);
    auto const at = [&](char const* metric, std::int64_t position) -> std::optional<double> {
        for (auto const& one : measurement.profiles)
            if (one.metric == metric && one.position == position) return one.value;
        return std::nullopt;
    };
    EXPECT_EQ(at("kld_p99", 1), 0.099);
    EXPECT_EQ(at("kld_p99", 2), std::nullopt) << "100 tokens have one";
    EXPECT_EQ(at("kld_max", 1), 0.1);
    EXPECT_EQ(at("kld_max", 2), 0.2);
    EXPECT_EQ(at("large_kld_share", 1), 0);
    EXPECT_EQ(at("large_kld_share", 2), 1);
    EXPECT_EQ(at("sure_top1_flips", 1), 1);
    EXPECT_EQ(at("sure_top1_flips", 2), std::nullopt) << "none was sure";
    EXPECT_EQ(at("sure_top1_flips", 3), 0);
}

TEST(ModelFigures, KindsOfTokensAreToldApart) {
    auto const sure = [](bool same_top, double probability) {
        return TokenScore{.same_top = same_top, .baseline_top_probability = probability};
    };
    auto const of_kind = [](TokenKind kind, double kld) { return TokenScore{.kld = kld, .kind = kind}; };
    Measurement measurement;
    add_score_figures({passage({sure(false, 0.9), sure(false, 0.91), sure(true, 0.99), of_kind(TokenKind::digits, 1),
                                of_kind(TokenKind::rare, 5)}),
                       passage({sure(true, 1), sure(false, 0.5), of_kind(TokenKind::digits, 3)})},
                      measurement);
    EXPECT_EQ(figure_of(measurement, "sure_top1_flips").value, 1.0 / 3);
    EXPECT_EQ(figure_of(measurement, "sure_top1_flips").n, 3U);
    EXPECT_EQ(figure_of(measurement, "sure_top1_flips").ci_high, 0.5);  // twice the first passage
    EXPECT_EQ(figure_of(measurement, "kld_mean_digits").value, 2);
    EXPECT_EQ(figure_of(measurement, "kld_mean_rare").value, 5);
    EXPECT_FALSE(figure_of(measurement, "kld_mean_rare").ci_low) << "one passage of two has such a token";
    for (auto const& figure : measurement.figures) EXPECT_NE(figure.metric, "kld_mean_punctuation");
}

TEST(TokenKinds, GoByTheText) {
    for (auto const* text : {"7", " 2024", "\t0 "}) EXPECT_EQ(kind_of_text(text), TokenKind::digits) << text;
    for (auto const* text : {",", " (", "\"...", "=="}) EXPECT_EQ(kind_of_text(text), TokenKind::punctuation) << text;
    for (auto const* text : {"", " ", "\n", "a", " 3rd", "it's", "\xc3\xa9", "\xe2\x80\x94"})
        EXPECT_EQ(kind_of_text(text), TokenKind::other) << text;
}

TEST(ModelFigures, GreedyTextsDivergeWhereTheyFirstDiffer) {
    auto const with = [](std::vector<Token> baseline, std::vector<Token> tokens) {
        PassageScores scores;
        scores.greedy = GreedyPair{std::move(baseline), std::move(tokens), 1};
        return scores;
    };
    Measurement measurement;
    add_greedy_figures({with({1, 2, 3, 4}, {1, 2, 9, 4}), with({5, 6, 7, 8}, {5, 6, 7, 8})}, measurement);
    EXPECT_EQ(figure_of(measurement, "first_divergence_token").value, 3);  // of 2 and 4
    EXPECT_EQ(figure_of(measurement, "exact_match").value, 0.5);
    EXPECT_EQ(first_divergence({{1}, {2}, 0}), 0U);
}

}  // namespace
}  // namespace kvstone
