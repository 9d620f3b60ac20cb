#pragma once
// Constraints on a figure: "kld_mean < 0.01 and decode_tokens_per_s >= 100 token/s".

#include <optional>
#include <string>
#include <vector>

#include "results/query/pareto.hpp"

namespace kvstone {

struct Constraint {
    std::string metric;
    bool upper = true;  ///< the figure has to be below the bound, else above
    bool strict = true;
    double bound = 0;

    /// The constraint as text: "kld_mean < 0.01 nat".
    std::string text() const;
    /// The end of a figure's interval that has to meet the bound. Without an interval: the value where the metric is
    /// deterministic, else nothing, because its error is unknown.
    std::optional<double> bounding_end(Estimate const& figure) const;
    bool holds_for(double value) const;
};

/// METRIC < | <= | > | >= NUMBER [UNIT], several joined by "and"; the unit is the metric's own. Throws ConfigError: an
/// unknown metric (with the nearest name), another operator or unit, a NUMBER that is no number.
std::vector<Constraint> parse_constraints(std::string const& text);

}  // namespace kvstone
