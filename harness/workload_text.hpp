#pragma once
// The text of a workload: its name, and what differs from its defaults, as in `attention:queries=256,spread=all`.

#include <map>
#include <string>
#include <vector>

#include "harness/workload.hpp"

namespace kvstone {

/// A workload with the value of each of its options, defaults filled in.
struct WorkloadText {
    Workload const* workload;
    std::map<std::string, std::string> values;

    std::uint64_t number(std::string const& key) const { return std::stoull(values.at(key)); }
    std::string const& name(std::string const& key) const { return values.at(key); }
    /// Options in the workload's own order, those at their default left out: part of a cell's identity.
    std::string text() const;
};

/// Throws ConfigError (without place) for unknown workloads, options and values, and for an option given twice.
WorkloadText parse_workload(std::string const& text);

}  // namespace kvstone
