// Every pair of outcomes of a base and a head, measured by a gate, and its exit code.

#include <array>

#include <gmock/gmock.h>

#include "harness/cli/exit_code.hpp"
#include "harness/gates/gate_answer.hpp"
#include "harness/gates/gate_run.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

/// A program's outcome for a cell.
enum class Kind { ok, failed, crashed_once, crashed_always, skipped, timeout, absent, older };
constexpr std::array kinds{Kind::ok,      Kind::failed,  Kind::crashed_once, Kind::crashed_always,
                           Kind::skipped, Kind::timeout, Kind::absent,       Kind::older};

Json figure(char const* metric, double value) {
    return {{"component", "kv"}, {"metric", metric},  {"value", value}, {"n", 5},
            {"ci_low", nullptr}, {"ci_high", nullptr}};
}

/// A program in place of a build: its output, and its end.
struct Program {
    Kind kind = Kind::ok;
    double decode_ns = 1e6;
    int crashes_at = 6;     ///< of a program that crashes once, which of its calls does
    int crashes_after = 0;  ///< 0: none; else every later call does
    int calls = 0;

    ChildOutcome run() {
        ++calls;
        ChildOutcome outcome;
        outcome.exit_code = 0;
        bool const crashes = kind == Kind::crashed_always || (kind == Kind::crashed_once && calls == crashes_at) ||
                             (crashes_after > 0 && calls > crashes_after);
        if (crashes) {
            outcome.exit_code = -1;
            outcome.signal = 11;
            return outcome;
        }
        outcome.timed_out = kind == Kind::timeout;
        if (outcome.timed_out) outcome.signal = 9;
        if (kind == Kind::absent) {
            outcome.exit_code = 2;
            outcome.stderr_tail = "kvstone: the scenario has no cell with this id: 'int8'\n";
        }
        if (outcome.timed_out || kind == Kind::absent) return outcome;
        outcome.output = printed().dump();
        return outcome;
    }

  private:
    Json printed() const {
        if (kind == Kind::failed) return {{"status", "error"}, {"reason", "no such file"}};
        if (kind == Kind::skipped) return {{"status", "skipped"}, {"reason", "no device"}};
        auto measurement = to_json(Measurement{});
        measurement["status"] = "ok";
        measurement["figures"] = Json::array({figure("relative_error_l1", 0.01)});
        if (kind == Kind::older) {
            measurement.erase("task");
            return measurement;
        }
        double const time = decode_ns * (1 + 0.0005 * (calls * 7919 % 11 - 5));
        measurement["figures"].push_back(figure("decode_ns", time));
        return measurement;
    }
};

/// One node, on which programs answer at once.
class Nodes final : public GateNodes {
  public:
    Nodes(std::map<std::string, Program>& base, std::map<std::string, Program>& head) : base_(base), head_(head) {}
    std::size_t count() const override { return 1; }
    void measure(std::vector<GateBlock> const& blocks, CallOf const& call_of, Done const& done,
                 std::function<bool()> const& go_on) override {
        for (auto const& block : blocks) {
            if (!go_on()) return;
            std::vector<Measurement> measurements;
            for (std::size_t position = 0; position < block.order.size(); ++position) {
                auto const program = call_of(block, position).words.at(0);
                auto& one = (program == "base" ? base_ : head_).at(block.cell->id);
                measurements.push_back(answer_of(program, one.run()));
            }
            done(block, measurements);
        }
    }

  private:
    std::map<std::string, Program>&base_, &head_;
};

struct Ranked {
    int code = -1;
    GateOutcome outcome;

    std::string text() const {
        std::string all;
        for (auto const& d : outcome.findings)
            all += std::string(name_of(d.verdict)) + "  " + d.rule + " " + d.codec_name + ": " + d.why + "\n";
        for (auto const& notice : outcome.notices) all += notice + "\n";
        return all;
    }
};

constexpr auto policy_text =
    "gate: 1\nrequire: {}\nrules:\n  - relative_error_l1 <= 0.05\n  - relative_error_l1 no worse than 0.1%\n"
    "  - decode_ns no worse than 5%\n";

/// Programs by cell.
Ranked judge(std::map<std::string, Program> base, std::map<std::string, Program> head, std::string const& require) {
    std::string text = policy_text;
    text.replace(text.find("{}"), 2, require);
    auto const policy = parse_policy(text, "p.yaml");
    auto const rules = rules_of(policy);
    GateRun run;
    run.base.path = "base";
    run.head.path = "head";
    for (auto const& [id, program] : head) {
        Cell cell;
        cell.id = cell.codec = cell.codec_name = id;
        cell.workload = "roundtrip";
        run.plan.cells.push_back(cell);
    }
    Nodes nodes(base, head);
    auto const evidence = run_gate(run, nodes, policy, rules);
    Ranked ranked;
    ranked.outcome = judge_gate(policy, rules, evidence);
    ranked.code = exit_code_of(ranked.outcome.verdict);
    return ranked;
}
Ranked judge(Program const& base, Program const& head) { return judge({{"int8", base}}, {{"int8", head}}, "all"); }

/// Rows: the base; columns: the head; in the order of `kinds`.
constexpr int expected[8][8] = {
    // ok failed once always skipped timeout absent older
    {0, 4, 0, 4, 5, 4, 5, 5},  // ok
    {4, 4, 4, 4, 4, 4, 4, 4},  // failed
    {0, 4, 0, 4, 5, 4, 5, 5},  // crashed once
    {4, 4, 4, 4, 4, 4, 4, 4},  // crashed always
    {5, 4, 5, 4, 5, 4, 5, 5},  // skipped
    {4, 4, 4, 4, 4, 4, 4, 4},  // timeout
    {5, 4, 5, 4, 5, 4, 5, 5},  // absent
    {5, 4, 5, 4, 5, 4, 5, 5},  // older
};

TEST(GateTableTest, EveryPairOfBaseAndHeadHasItsExitCode) {
    for (std::size_t base = 0; base < kinds.size(); ++base)
        for (std::size_t head = 0; head < kinds.size(); ++head) {
            // Coverage: a rule that compares names by itself the figures that it could not compare.
            for (auto const* require : {"all", "none"}) {
                auto const alone = judge({{"int8", {.kind = kinds[base]}}}, {{"int8", {.kind = kinds[head]}}}, require);
                EXPECT_EQ(alone.code, expected[base][head])
                    << "base " << base << ", head " << head << ", require " << require << "\n"
                    << alone.text();
            }
            // A healthy cell beside it hides nothing; an older program is older at every cell.
            auto const beside = [](Kind kind) { return Program{.kind = kind == Kind::older ? kind : Kind::ok}; };
            auto const two = judge({{"int8", {.kind = kinds[base]}}, {"q4_0", beside(kinds[base])}},
                                   {{"int8", {.kind = kinds[head]}}, {"q4_0", beside(kinds[head])}}, "all");
            EXPECT_EQ(two.code, expected[base][head]) << "base " << base << ", head " << head << "\n" << two.text();
        }
}

TEST(GateTableTest, ACrashCostsItsBlockAndHidesNoRegression) {
    for (int const call : {1, 2, 6, 20}) {
        auto const ranked = judge({.kind = Kind::crashed_once, .crashes_at = call}, {.decode_ns = 2e6});
        EXPECT_EQ(ranked.code, 1) << "crashed in call " << call << "\n" << ranked.text();
    }
    auto const told = judge({.kind = Kind::crashed_once}, {});
    EXPECT_THAT(
        told.text(),
        HasSubstr(
            "1 attempts of the base failed at cells where others were ok (crash: base gave no answer (signal 11))"));
    EXPECT_EQ(judge({.kind = Kind::crashed_always}, {.decode_ns = 2e6}).code, 4);
}

TEST(GateTableTest, WhatCrashesOnlyInTimedBlocksIsFailedAndTheRestIsCompared) {
    auto const ranked = judge({}, {.crashes_after = 2});  // the probe, and the pilot
    EXPECT_EQ(ranked.code, 4) << ranked.text();
    EXPECT_THAT(ranked.text(), HasSubstr("pass  relative_error_l1 no worse than 0.1% int8: equal"));
    EXPECT_THAT(ranked.text(),
                HasSubstr("failed  decode_ns no worse than 5% int8: 0 of 8 blocks are whole; head: crash"));
    auto const late = judge({.crashes_after = 9}, {});
    EXPECT_EQ(late.code, 4) << late.text();
}

TEST(GateTableTest, WhatIsLackingIsNamedWithItsSide) {
    auto const older = judge({.kind = Kind::older}, {});
    EXPECT_THAT(older.text(), HasSubstr("missing  decode_ns no worse than 5% int8: the base has no decode_ns"));
    EXPECT_THAT(older.text(), HasSubstr("pass  relative_error_l1 no worse than 0.1% int8: equal"));
    auto const absent = judge({.kind = Kind::absent}, {});
    EXPECT_THAT(
        absent.text(),
        HasSubstr("base: skipped: base refuses its arguments (exit code 2): kvstone: the scenario has no cell"));
}

}  // namespace
}  // namespace kvstone
