#pragma once
// A gate: a policy's rules over measurements, and their findings. Pure: the same evidence gives the same findings, so
// that `explain` can repeat them.

#include <optional>
#include <string>
#include <vector>

#include "results/statistics/two_stage.hpp"
#include "results/verdict/nights.hpp"
#include "results/verdict/rule.hpp"

namespace kvstone {

/// How often a block is measured before its cell is given up.
inline constexpr int gate_block_tries = 3;

/// An attempt that the gate made.
struct GateAttempt {
    std::string cell = {};
    /// "probe" (once each, for figures that need no repetition), "work" (once each, under an instrument), "screen" or "confirm"
    std::string phase = {};
    int block = 0;
    int position = 0;
    char side = 'A';  ///< A: the base's build, B: the head's
    int launch = 0;   ///< of its block; a repeated block is another launch
    Measurement measurement = {};
};

struct Finding {
    std::string rule;
    std::string cell = {};  ///< empty: about no single cell; the next three then are, too
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
    std::string waiver = {};  ///< reason of the waiver that applies: the finding counts as advisory
    bool warns = false;       ///< the rule only warns: the finding counts as advisory
    std::string since = {};   ///< of nights: the campaign of the first one of the change
};

/// The evidence that a gate judges.
struct Evidence {
    std::optional<Side> base = {};
    Side head = {};
    std::vector<GateAttempt> attempts = {};        ///< attempts of a gate that measured; else empty
    std::vector<std::string> untimed = {};         ///< ids of cells that the budget had no time for
    std::size_t tests = 0;                         ///< timings that share the error budget, see timing_tests()
    int screen_blocks = TwoStage{}.screen_blocks;  ///< of the first phase, as many as the budget had time for
    bool measured = false;                         ///< the gate made attempts: timings are ranked by them
    std::string today = {};                        ///< "2026-12-31", for waivers
    bool across_toolchains = false;
    /// The nights beside which timings are judged, the head's campaign last; the base then is the last good one of them.
    std::optional<NightSeries> nights = {};
};

struct GateOutcome {
    std::vector<Finding> findings = {};
    Verdict verdict = Verdict::pass;        ///< of the worst finding that counts
    std::vector<std::string> notices = {};  ///< further notes for readers
    std::vector<int> waived = {};           ///< number of findings that each waiver of the policy softened
};

/// A timing of a relative rule.
struct TimingTest {
    std::size_t rule = 0;  ///< index
    SideCell const* cell = nullptr;
    std::size_t component = 0;
};
/// Figures that both sides have, at cells that are ok on both sides; of rules that need a suspicion, at suspect cells alone.
std::vector<TimingTest> timing_tests(std::vector<PolicyRule> const& rules, Side const& base, Side const& head);

/// The phases of a rule's timings.
TwoStage phases_of(GatePolicy const& policy, PolicyRule const& rule, Evidence const& evidence);

/// d of every whole block of a cell's phase, positive where B is slower, in either direction of the metric. Launches
/// with an attempt that is not ok, or that has no such figure, are left out.
std::vector<double> block_effects(std::vector<GateAttempt> const& attempts, std::string const& cell,
                                  std::string_view phase, std::size_t metric, std::size_t component);

/// Why blocks of a cell's phase are incomplete.
struct BlockTrouble {
    int failed = 0;         ///< launches with an attempt that was not ok
    bool given_up = false;  ///< a block failed gate_block_tries times
    bool lacks = false;     ///< a launch was ok, but lacks the figure
    std::string why = {};   ///< of the last of these launches: the side and its reason
};
BlockTrouble block_trouble(std::vector<GateAttempt> const& attempts, std::string const& cell, std::string_view phase,
                           std::size_t metric, std::size_t component);

/// The figure of one process, from its raw samples where there are any.
std::optional<double> process_value(Measurement const& measurement, std::size_t metric, std::size_t component);

/// Judges a timing of the evidence's nights. `rule` is of all its tests.
void judge_nights(NightRule& nights, Evidence const& evidence, PolicyRule const& rule, SideCell const& cell,
                  std::size_t component, Finding& finding);
/// Facts about nights for readers: how many are good, how they scatter, and where to look for the commit.
std::vector<std::string> notices_of_nights(GatePolicy const& policy, std::vector<PolicyRule> const& rules,
                                           Evidence const& evidence, std::vector<Finding> const& findings);
/// The campaign of the first night of any regression among the findings; empty: there is none.
std::string first_night_of(NightSeries const& series, std::vector<Finding> const& findings);
/// The rule about nights that a timing rule of a policy becomes.
NightRule night_rule_of(GatePolicy const& policy, PolicyRule const& rule, Evidence const& evidence);

GateOutcome judge_gate(GatePolicy const& policy, std::vector<PolicyRule> const& rules, Evidence const& evidence);

}  // namespace kvstone
