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

    bool timed() const { return relative && comparing(metrics()[metric]) == Comparing::by_time; }
};

/// Throws ConfigError with the place of the rule in its file.
std::vector<PolicyRule> rules_of(GatePolicy const& policy);

/// Names of the metrics that a policy reads.
std::vector<std::string> metrics_of(GatePolicy const& policy, std::vector<PolicyRule> const& rules);

/// Components of a cell that a rule judges.
std::vector<std::size_t> components_of(std::string const& component, std::size_t metric, SideCell const& cell);

}  // namespace kvstone
