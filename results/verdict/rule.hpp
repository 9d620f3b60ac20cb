#pragma once
// The rules of a policy, parsed.

#include <vector>

#include "results/query/constraint.hpp"
#include "results/verdict/comparison.hpp"
#include "scenarios/gate_policy.hpp"

namespace kvstone {

/// METRIC < | <= | > | >= NUMBER [UNIT]            the head's figure, or the end of its interval that counts
/// METRIC < | <= | > | >= NUMBER * OTHER_METRIC    the same against another figure of the same cell
/// METRIC no worse than NUMBER[%]                  beside the base: a share, for accuracies an absolute difference
struct PolicyRule {
    GateRule source;
    std::size_t metric = 0;  ///< index into metrics()
    bool relative = false;
    Constraint bound;                         ///< of a rule that is not relative
    std::optional<std::size_t> bound_metric;  ///< the rule's bound is a multiple of this metric
    double worse_by = 0;                      ///< of a relative rule

    /// A rule about work that makes a cell suspect where it is broken.
    struct Suspicion {
        std::size_t metric = 0;
        double worse_by = 0;
    };
    std::vector<Suspicion> suspected_by = {};  ///< of a timing; empty: every cell is suspect

    bool timed() const { return relative && comparing(metrics()[metric]) == Comparing::by_time; }
    /// Whether it needs what an instrument counts.
    bool needs_work() const { return !suspected_by.empty() || is_work(metrics()[metric]); }
};

/// The word of counts of work on a cell, before its time is looked at.
struct Suspected {
    bool counted = false;  ///< both sides have a count
    bool suspect = true;   ///< a count is worse than its rule allows, or there is none
    std::string why = {};  ///< "encode_instructions 2.3% worse"; "encode_instructions was not counted"
};
/// Requires that the rule has suspected_by.
Suspected suspected(PolicyRule const& rule, SideCell const& base, SideCell const& head, std::size_t component);

/// Throws ConfigError with the place of the rule in its file.
std::vector<PolicyRule> rules_of(GatePolicy const& policy);

/// Names of the metrics that a policy reads.
std::vector<std::string> metrics_of(GatePolicy const& policy, std::vector<PolicyRule> const& rules);

/// Components of a cell that a rule judges.
std::vector<std::size_t> components_of(std::string const& component, std::size_t metric, SideCell const& cell);

}  // namespace kvstone
