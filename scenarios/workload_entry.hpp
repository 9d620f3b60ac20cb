#pragma once
// The `workloads:` list of a scenario.

#include <string>
#include <vector>

#include "scenarios/scenario.hpp"
#include "scenarios/source_entry.hpp"
#include "scenarios/yaml_reader.hpp"

namespace kvstone {

struct WorkloadEntry {
    std::string name;
    Json options = Json::object();  ///< those that differ from their defaults, or have no default
    Json locator = Json::object();  ///< {"files":{OPTION:PATH}} where options are files; no part of the identity
    bool operator==(WorkloadEntry const& other) const { return name == other.name && options == other.options; }

    /// The option's value as text; empty where it is the default.
    std::string option(std::string const& name) const;
};

/// Each item is a workload's name, or {NAME: {option: value, ...}}; an option with a list of values makes one entry for
/// each value, and the last such option varies fastest. Equal entries are taken once. Throws ConfigError.
std::vector<WorkloadEntry> workloads_of(YamlValue const& list, SourceFiles const& files, Vocabulary const& vocabulary);

/// Options of a workload in a match, null where the value is the default. Throws ConfigError where the workload has no
/// such option, or the option no such value.
Json given_options(std::string const& workload, YamlValue const& options, SourceFiles const& files,
                   Vocabulary const& vocabulary);

}  // namespace kvstone
