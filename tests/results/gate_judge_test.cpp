// A gate over two stored campaigns: figures that could not be compared are findings, never silence.

#include <array>
#include <limits>

#include <gmock/gmock.h>

#include "harness/cli/exit_code.hpp"
#include "results/verdict/gate.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

constexpr double null = std::numeric_limits<double>::quiet_NaN();

SideCell made(std::string const& status, std::vector<std::pair<std::string, double>> const& figures) {
    SideCell cell;
    cell.cell.id = cell.cell.codec = cell.cell.codec_name = "int8";
    cell.cell.workload = "roundtrip";
    cell.status = status;
    if (status != "ok") return cell;
    for (auto const& [metric, value] : figures)
        cell.figures.push_back({static_cast<std::uint16_t>(metric_index(metric)), 2, 0, value, null, null});
    std::ranges::sort(cell.figures, {}, place_of);
    return cell;
}

Side side(std::vector<SideCell> cells) {
    Side one;
    one.cells = std::move(cells);
    return one;
}

struct Ranked {
    int code;
    std::string text;
};

Ranked judge(std::string const& policy_text, std::optional<Side> base, Side head) {
    auto const policy = parse_policy(policy_text, "p.yaml");
    auto const outcome = judge_gate(policy, rules_of(policy), {.base = std::move(base), .head = std::move(head)});
    std::string text;
    for (auto const& d : outcome.findings)
        text += std::string(name_of(d.verdict)) + "  " + d.rule + ": " + d.why + "\n";
    for (auto const& notice : outcome.notices) text += notice + "\n";
    return {exit_code_of(outcome.verdict), text};
}

/// In the order of the table: ok, failed, crash, skipped, timeout, missing, no such cell, without the figure.
std::vector<Side> sides() {
    std::vector<Side> all;
    for (auto const* status : {"ok", "error", "crash", "skipped", "timeout", "missing"})
        all.push_back(side({made(status, {{"relative_error_l1", 0.01}, {"stored_bytes", 1000}})}));
    all.push_back(side({}));
    all.push_back(side({made("ok", {{"stored_bytes", 1000}})}));
    return all;
}

constexpr int expected[8][8] = {
    // ok error crash skipped timeout missing none without
    {0, 4, 4, 5, 4, 5, 5, 5},  // ok
    {4, 4, 4, 4, 4, 4, 4, 4},  // error
    {4, 4, 4, 4, 4, 4, 4, 4},  // crash
    {5, 4, 4, 5, 4, 5, 5, 5},  // skipped
    {4, 4, 4, 4, 4, 4, 4, 4},  // timeout
    {5, 4, 4, 5, 4, 5, 5, 5},  // missing
    {5, 4, 4, 5, 4, 5, 5, 5},  // no such cell
    {5, 4, 4, 5, 4, 5, 5, 5},  // without the figure
};

TEST(GateJudgeTest, EveryPairOfStoredCellsHasItsExitCode) {
    auto const all = sides();
    for (auto const* require : {"all", "none"})
        for (std::size_t base = 0; base < all.size(); ++base)
            for (std::size_t head = 0; head < all.size(); ++head) {
                auto const ranked = judge(
                    std::string("gate: 1\nrequire: ") + require + "\nrules: [relative_error_l1 no worse than 0.1%]\n",
                    all[base], all[head]);
                EXPECT_EQ(ranked.code, expected[base][head]) << "base " << base << ", head " << head << "\n"
                                                             << ranked.text;
            }
}

TEST(GateJudgeTest, AFigureOfOneSideAloneIsMissingByName) {
    auto const whole = side({made("ok", {{"relative_error_l1", 0.01}, {"stored_bytes", 1000}})});
    auto const older = side({made("ok", {{"relative_error_l1", 0.01}})});
    auto const empty = side({made("ok", {{"relative_error_l1", 0.01}, {"stored_bytes", null}})});
    std::string const policy = "gate: 1\nrules: [stored_bytes no worse than 0%]\n";
    EXPECT_THAT(judge(policy, older, whole).text,
                HasSubstr("missing  stored_bytes no worse than 0%: the base has no stored_bytes"));
    EXPECT_THAT(judge(policy, whole, older).text, HasSubstr("the head has no stored_bytes"));
    EXPECT_THAT(judge(policy, empty, empty).text,
                HasSubstr("stored_bytes of the base is null; stored_bytes of the head is null"));
    EXPECT_EQ(judge(policy, empty, empty).code, 5);
    // A bound that the head cannot be held to any more.
    std::string const bound = "gate: 1\nrequire: none\nrules: [stored_bytes <= 2000, relative_error_l1 <= 1]\n";
    EXPECT_EQ(judge(bound, whole, older).code, 5);
    EXPECT_EQ(judge(bound, whole, side({made("crash", {})})).code, 4);
}

TEST(GateJudgeTest, EveryTailIsHeldToItsBoundByItsWholeInterval) {
    for (std::string const tail :
         {"kld_p99", "kld_p999", "kld_max", "large_kld_share", "sure_top1_flips", "kld_mean_digits", "kld_mean_rare"}) {
        auto const with = [&](double low, double high) {
            auto cell = made("ok", {{tail, (low + high) / 2}});
            cell.figures.front().low = low;
            cell.figures.front().high = high;
            return side({cell});
        };
        auto const policy = "gate: 1\nrules: [" + tail + " <= 0.5]\n";
        EXPECT_EQ(judge(policy, {}, with(0.1, 0.5)).code, 0) << tail;
        EXPECT_EQ(judge(policy, {}, with(0.6, 0.8)).code, 1) << tail;
        EXPECT_EQ(judge(policy, {}, with(0.1, 0.6)).code, 3) << tail << ": its interval spans the bound";
        EXPECT_EQ(judge(policy, {}, side({made("ok", {{"kld_mean", 0.1}})})).code, 5) << tail;
    }
}

TEST(GateJudgeTest, AJointRuleSaysWhatItCouldNotCompare) {
    std::string const policy =
        "gate: 1\nrules: [decode_ns <= 1e9]\njoint: [{name: j, gain: decode_ns, by: 5%, not_with: [stored_bytes]}]\n";
    auto const with = [](double decode_ns, double stored) {
        return side({made("ok", {{"decode_ns", decode_ns}, {"stored_bytes", stored}})});
    };
    auto const without = [](double decode_ns) { return side({made("ok", {{"decode_ns", decode_ns}})}); };
    EXPECT_EQ(judge(policy, with(100, 10), with(50, 10)).code, 0);
    EXPECT_EQ(judge(policy, with(100, 10), with(50, 11)).code, 1);
    EXPECT_EQ(judge(policy, without(100), with(50, 11)).code, 5);
    EXPECT_THAT(judge(policy, without(100), with(50, 11)).text,
                HasSubstr("missing  j: decode_ns 50% better; the base has no stored_bytes"));
    EXPECT_EQ(judge(policy, without(100), without(50)).code, 5) << "nothing says what the gain cost";
    EXPECT_EQ(judge(policy, without(100), with(100, 11)).code, 0) << "where nothing was gained, nothing was bought";
    EXPECT_EQ(judge(policy, side({made("crash", {})}), with(50, 10)).code, 4);
}

TEST(GateJudgeTest, WithoutABaseNothingIsCompared) {
    std::string const policy = "gate: 1\nrules: [relative_error_l1 <= 0.05, relative_error_l1 no worse than 0.1%]\n";
    auto const whole = side({made("ok", {{"relative_error_l1", 0.01}})});
    auto const ranked = judge(policy, std::nullopt, whole);
    EXPECT_EQ(ranked.code, 0);
    EXPECT_THAT(ranked.text, HasSubstr("1 figures have nothing to be compared with"));
    auto skipped = made("skipped", {});
    skipped.cell.id = "cuda";
    EXPECT_EQ(judge(policy, std::nullopt, side({whole.cells[0], skipped})).code, 0) << "no rule asks for a device here";
    EXPECT_EQ(judge(policy, whole, side({whole.cells[0], skipped})).code, 5) << "but a comparison does";
}

TEST(GateJudgeTest, ATimingWithoutTimeIsMissing) {
    auto const policy = parse_policy("gate: 1\nrules: [decode_ns no worse than 5%]\n", "p.yaml");
    auto const whole = side({made("ok", {{"decode_ns", 100}})});
    auto const outcome =
        judge_gate(policy, rules_of(policy), {.base = whole, .head = whole, .untimed = {"int8"}, .measured = true});
    EXPECT_EQ(exit_code_of(outcome.verdict), 5);
}

}  // namespace
}  // namespace kvstone
