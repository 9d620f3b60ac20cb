// Gates over counts of work: what they find, what they leave to time, and where they say that the work went.

#include <array>
#include <limits>

#include <gmock/gmock.h>

#include "results/verdict/grown_functions.hpp"
#include "scenarios/gate_policy.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double null = std::numeric_limits<double>::quiet_NaN();
constexpr char const* counted = "gate: 1\nrules: [encode_instructions no worse than 1%]\n";
constexpr char const* suspecting =
    "gate: 1\nrules: [{rule: encode_ns no worse than 5%, suspected_by: [encode_instructions no worse than 1%, "
    "encode_l1_misses no worse than 2%]}]\n";

/// A cell that is ok, with a time and what an instrument counted.
SideCell cell(double instructions, double misses = 0.1) {
    SideCell cell;
    cell.cell.id = cell.cell.codec = cell.cell.codec_name = "int8";
    cell.cell.workload = "roundtrip";
    cell.status = "ok";
    cell.counted_by = "callgrind";
    for (auto const& [metric, value] :
         {std::pair{"encode_ns", 100.0}, {"encode_instructions", instructions}, {"encode_l1_misses", misses}})
        cell.figures.push_back({static_cast<std::uint16_t>(metric_index(metric)), 2, 0, value, null, null});
    std::ranges::sort(cell.figures, {}, place_of);
    return cell;
}

/// The same without counts, for a reason.
SideCell uncounted(std::string const& why) {
    auto one = cell(0);
    std::erase_if(one.figures, [](SideFigure const& figure) { return is_work(metrics()[figure.metric]); });
    one.counted_by.clear();
    one.uncounted = why;
    return one;
}

Evidence evidence(SideCell base, SideCell head) {
    Evidence both{.base = Side{}, .head = {}, .measured = true};
    both.base->cells = {std::move(base)};
    both.head.cells = {std::move(head)};
    return both;
}

Finding judged(char const* policy_text, SideCell base, SideCell head) {
    auto const policy = parse_policy(policy_text, "p.yaml");
    auto const outcome = judge_gate(policy, rules_of(policy), evidence(std::move(base), std::move(head)));
    EXPECT_EQ(outcome.findings.size(), 1U);
    return outcome.findings.empty() ? Finding{} : outcome.findings[0];
}

TEST(WorkRulesTest, OnePassOfEachBuildDecides) {
    EXPECT_EQ(judged(counted, cell(2), cell(2)).why, "equal");
    EXPECT_EQ(judged(counted, cell(200), cell(202)).verdict, Verdict::pass) << "1% is allowed";
    auto const worse = judged(counted, cell(200), cell(202.1));
    EXPECT_EQ(worse.verdict, Verdict::regression);
    EXPECT_EQ(worse.why, "1.05% worse");
    EXPECT_EQ(*worse.base, 200);
    EXPECT_EQ(*worse.head, 202.1);
    EXPECT_EQ(judged(counted, cell(2), cell(1)).verdict, Verdict::pass);
}

TEST(WorkRulesTest, AnotherToolchainIsNoRegressionOfTheCode) {
    auto const policy = parse_policy(counted, "p.yaml");
    auto both = evidence(cell(200), cell(203));
    both.head.toolchain = "another";
    auto const told = judge_gate(policy, rules_of(policy), both).findings.at(0);
    EXPECT_EQ(told.verdict, Verdict::inconclusive);
    EXPECT_EQ(told.why, "1.5% worse; another toolchain");
    both.across_toolchains = true;
    EXPECT_EQ(judge_gate(policy, rules_of(policy), both).findings.at(0).verdict, Verdict::regression);
}

TEST(WorkRulesTest, ASlowerStartIsFound) {
    auto const with = [](double instructions) {
        auto one = cell(2);
        one.figures = {
            {static_cast<std::uint16_t>(metric_index("start_instructions")), 2, 0, instructions, null, null}};
        return one;
    };
    auto const* const rule = "gate: 1\nrules: [start_instructions no worse than 5%]\n";
    EXPECT_EQ(judged(rule, with(1e6), with(1.04e6)).verdict, Verdict::pass);
    EXPECT_EQ(judged(rule, with(1e6), with(1.06e6)).verdict, Verdict::regression);
}

TEST(WorkRulesTest, CountsOfTwoInstrumentsAreNotCompared) {
    auto other = cell(2);
    other.counted_by = "another";
    auto const finding = judged(counted, cell(2), other);
    EXPECT_EQ(finding.verdict, Verdict::inconclusive);
    EXPECT_EQ(finding.why, "counted by callgrind and another");
    EXPECT_NE(judged(suspecting, cell(2), other).verdict, Verdict::pass) << "its time decides, and there is none";
}

TEST(WorkRulesTest, ACountThatIsNotThereIsNoPass) {
    auto const crashed = judged(counted, cell(2), uncounted("crash: SIGSEGV"));
    EXPECT_EQ(crashed.verdict, Verdict::failed);
    EXPECT_THAT(crashed.why, HasSubstr("encode_instructions of the head was not counted: crash: SIGSEGV"));
    EXPECT_EQ(judged(counted, cell(2), uncounted("skipped: no valgrind")).verdict, Verdict::missing);
    EXPECT_EQ(judged(counted, uncounted("timeout: x"), uncounted("timeout: x")).verdict, Verdict::failed);
    EXPECT_EQ(judged(counted, uncounted("skipped: x"), uncounted("skipped: x")).verdict, Verdict::missing);
}

TEST(WorkRulesTest, TimeIsJudgedAtSuspectsAlone) {
    auto const policy = parse_policy(suspecting, "p.yaml");
    auto const rules = rules_of(policy);
    auto const tests = [&](SideCell base, SideCell head) {
        auto const both = evidence(std::move(base), std::move(head));
        return timing_tests(rules, *both.base, both.head).size();
    };
    EXPECT_EQ(tests(cell(200), cell(202)), 0U);
    EXPECT_EQ(tests(cell(200), cell(203)), 1U);
    EXPECT_EQ(tests(cell(2, 0.1), cell(2, 0.103)), 1U) << "as many instructions, but more misses";
    EXPECT_EQ(tests(cell(2), uncounted("skipped: x")), 1U) << "nothing is known of its work";

    auto const kept = judged(suspecting, cell(200), cell(202));
    EXPECT_EQ(kept.verdict, Verdict::pass);
    EXPECT_EQ(kept.why,
              "not suspected: encode_instructions 1% worse, encode_l1_misses 0% worse; its time was not judged");
    auto const suspect = judged(suspecting, cell(200), cell(203));
    EXPECT_EQ(suspect.verdict, Verdict::inconclusive) << "work never stands in for time";
    EXPECT_THAT(suspect.why, HasSubstr("encode_instructions 1.5% worse"));
    EXPECT_THAT(suspect.why, HasSubstr("0 of 8 blocks are whole"));
}

TEST(WorkRulesTest, ARuleSaysWhatASuspicionIs) {
    for (auto const& [rule, told] :
         {std::pair{"{rule: encode_ns no worse than 5%, suspected_by: decode_ns no worse than 5%}",
                    "only counts of work say which cells are to be timed"},
          {"{rule: encode_ns no worse than 5%, suspected_by: encode_instructions <= 5}",
           "expected a rule about work beside the base"},
          {"{rule: stored_bytes no worse than 0%, suspected_by: encode_instructions no worse than 1%}",
           "only rules about timings have suspects"}}) {
        auto const policy = parse_policy(std::string("gate: 1\nrules: [") + rule + "]\n", "p.yaml");
        try {
            rules_of(policy);
            ADD_FAILURE() << rule;
        } catch (ConfigError const& error) {
            EXPECT_THAT(error.what(), HasSubstr(told));
            EXPECT_THAT(error.what(), HasSubstr("p.yaml:2"));
        }
    }
}

GateAttempt attempt(char side, std::vector<FunctionWork> functions) {
    GateAttempt one{.cell = "int8", .phase = "work", .side = side, .measurement = {}};
    one.measurement.status = Status::ok;
    one.measurement.functions = std::move(functions);
    return one;
}

TEST(GrownFunctionsTest, TheThreeThatGrewMostComeFirst) {
    std::vector<GateAttempt> const attempts{attempt('A', {{"k", "encode", "same", 1},
                                                          {"k", "encode", "grew", 1},
                                                          {"k", "decode", "other pass", 1},
                                                          {"v", "encode", "grew", 3},
                                                          {"k", "encode", "shrank", 2},
                                                          {"k", "encode", "a bit", 1}}),
                                            attempt('B', {{"k", "encode", "same", 1},
                                                          {"k", "encode", "grew", 3},
                                                          {"k", "decode", "other pass", 9},
                                                          {"v", "encode", "grew", 4},
                                                          {"k", "encode", "shrank", 1},
                                                          {"k", "encode", "a bit", 1.25},
                                                          {"k", "encode", "new", 0.5},
                                                          {"k", "encode", "less", 0.125}})};
    auto const names = [&](char const* metric, char const* component) {
        std::vector<std::string> all;
        for (auto const& one : grown_functions(attempts, "int8", metric, component)) all.push_back(one.name);
        return all;
    };
    EXPECT_THAT(names("encode_instructions", "k"), ElementsAre("grew", "new", "a bit"));
    EXPECT_EQ(grown_functions(attempts, "int8", "encode_instructions", "k", 9).size(), 4U) << "grew, new, a bit, less";
    EXPECT_THAT(names("decode_instructions", "k"), ElementsAre("other pass"));
    EXPECT_THAT(names("encode_ns", "k"), ElementsAre());
    auto const both = grown_functions(attempts, "int8", "encode_instructions", "kv", 1);
    ASSERT_EQ(both.size(), 1U);
    EXPECT_EQ(both[0].base, 2);    // (1 + 3) / 2 per value of K and V
    EXPECT_EQ(both[0].head, 3.5);  // (3 + 4) / 2
    auto grown = evidence(cell(2), cell(3.5));
    grown.attempts = attempts;
    EXPECT_THAT(
        where_work_went(grown),
        ElementsAre(HasSubstr("int8 kv: encode_instructions 2 to 3.5 a value; grew +1.5 (2 to 3.5); new +0.25")));
    EXPECT_TRUE(where_work_went(evidence(cell(2), cell(2.009))).empty());
    EXPECT_TRUE(grown_functions(attempts, "another", "encode_instructions", "k").empty());
}

}  // namespace
}  // namespace kvstone
