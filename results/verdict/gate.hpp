#pragma once
// A gate: a policy's rules over what was measured, and the findings that come of it. Pure: the same evidence gives the
// same findings, which is how `explain` replays them.

#include <optional>
#include <string>
#include <vector>

#include "results/statistics/two_stage.hpp"
#include "results/verdict/rule.hpp"

namespace kvstone {

/// How often a block is measured before its cell is given up.
inline constexpr int gate_block_tries = 3;

/// An attempt that a gate made itself.
struct GateAttempt {
    std::string cell;
    std::string phase;  ///< "probe" (once each, for figures that need no repetition), "screen" or "confirm"
    int block = 0;
    int position = 0;
    char side = 'A';  ///< A: the base's build, B: the head's
    int launch = 0;   ///< of its block; a block that is measured anew is another launch
    Measurement measurement;
};

struct Finding {
    std::string rule;
    std::string cell = {};  ///< empty: about no single one; so are the next three
    std::string title = {};
    std::string codec_name = {};
    std::string component = {};
    std::string metric = {};
    std::optional<double> base = {}, head = {};
    std::optional<Estimate> change = {};
    std::optional<double> screen_p = {}, confirm_p = {};
    std::optional<double> detectable = {};
    std::optional<double> target = {};
    Verdict verdict = Verdict::pass;
    std::string why = {};
    std::string waiver = {};  ///< reason of the one that holds: the finding counts as advisory
    bool warns = false;       ///< so it does
};

/// What a gate looks at.
struct Evidence {
    std::optional<Side> base = {};
    Side head = {};
    std::vector<GateAttempt> attempts = {};        ///< of a gate that measured; else none
    std::vector<std::string> untimed = {};         ///< ids of cells that the budget had no time for
    std::size_t tests = 0;                         ///< timings that share the error budget, see timing_tests()
    int screen_blocks = TwoStage{}.screen_blocks;  ///< of the first phase, as many as the budget had time for
    bool measured = false;                         ///< attempts were made: timings are ranked by them
    std::string today = {};                        ///< "2026-12-31", for waivers
    bool across_toolchains = false;
};

struct GateOutcome {
    std::vector<Finding> findings = {};
    Verdict verdict = Verdict::pass;        ///< the worst finding that counts
    std::vector<std::string> notices = {};  ///< what else a reader has to know
    std::vector<int> waived = {};           ///< findings that each waiver of the policy softened
};

/// A timing that a relative rule is about.
struct TimingTest {
    std::size_t rule = 0;  ///< index
    SideCell const* cell = nullptr;
    std::size_t component = 0;
};
/// Of cells that both sides have ok, figures that both sides have.
std::vector<TimingTest> timing_tests(std::vector<PolicyRule> const& rules, Side const& base, Side const& head);

/// The phases that a rule's timings go through.
TwoStage phases_of(GatePolicy const& policy, PolicyRule const& rule, Evidence const& evidence);

/// d of every whole block of a cell's phase, positive where B is slower, whatever the metric's direction. Launches with an
/// attempt that is not ok, or has no such figure, are left out.
std::vector<double> block_effects(std::vector<GateAttempt> const& attempts, std::string const& cell,
                                  std::string_view phase, std::size_t metric, std::size_t component);

/// Why blocks of a cell's phase are not whole.
struct BlockTrouble {
    int failed = 0;         ///< launches with an attempt that was not ok
    bool given_up = false;  ///< a block failed gate_block_tries times
    bool lacks = false;     ///< a launch was ok, but has no such figure
    std::string why = {};   ///< of the last of them: the side and its reason
};
BlockTrouble block_trouble(std::vector<GateAttempt> const& attempts, std::string const& cell, std::string_view phase,
                           std::size_t metric, std::size_t component);

/// The figure of one process, from its raw samples where they are there.
std::optional<double> process_value(Measurement const& measurement, std::size_t metric, std::size_t component);

GateOutcome judge_gate(GatePolicy const& policy, std::vector<PolicyRule> const& rules, Evidence const& evidence);

}  // namespace kvstone
