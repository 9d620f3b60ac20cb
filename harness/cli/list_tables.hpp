#pragma once
// The tables of `kvstone list`. Programs read their columns, which are stable.

#include <string>

#include "results/query/query.hpp"
#include "results/record/metrics.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

QueryResult list_backends();
QueryResult list_codecs();
QueryResult list_metrics();
QueryResult list_models();
QueryResult list_scenarios();
QueryResult list_schema();
QueryResult list_sources();
QueryResult list_stages();
QueryResult list_workloads();

/// "id | kivi", "1 to 64"; empty where the option takes any value of its kind.
std::string accepted_text(WorkloadOption const& option);
/// Empty where the user must give the option.
std::string default_text(WorkloadOption const& option);
/// "lower", "higher" or "-".
std::string better_text(Metric const& metric);

}  // namespace kvstone
