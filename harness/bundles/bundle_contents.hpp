#pragma once
// The files of a bundle, for the verbs that read it.

#include <string>
#include <vector>

#include "harness/bundles/scenario_file.hpp"

namespace kvstone {

/// Members that describe a bundle and its files.
inline constexpr char const* bundle_member = "bundle.json";
inline constexpr char const* sums_member = "SHA256SUMS";
inline constexpr char const* measured_member = "measured.db";

/// bundle.json: {"bundle": 1, "scenario": its file in the archive, "only": [...], "set": [...], "plan": its hash}.
std::string bundle_text(std::string const& scenario, ScenarioFile const& from, std::string const& plan_hash);

/// Unpacks a bundle to $XDG_CACHE_HOME/kvstone/bundles, once per content, and checks the hashes of its files. Throws
/// ConfigError where there is no such file or no cache folder, CorruptData where it is no bundle, or altered.
ScenarioFile open_bundle(std::string const& path);

}  // namespace kvstone
