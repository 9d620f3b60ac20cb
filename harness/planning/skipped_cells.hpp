#pragma once
// Cells of a plan that nothing will be measured of, for reasons that are known before anything runs.

#include <map>
#include <string>

#include "harness/bundles/scenario_file.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// Why nothing will be measured of cells, by their ids; those that something will be measured of are not here.
std::map<std::string, std::string> skipped_cells(Plan const& plan);

/// A line for each reason, with the codecs and workloads that it is about: "skipped: int8 append: stage ...". Empty where
/// nothing is skipped.
std::string skipped_text(Plan const& plan, std::map<std::string, std::string> const& skipped);

/// Throws ConfigError, at its place in the file, for a codec that drops tokens and that no cell of the plan can measure. Where
/// the file's words select cells (`--only`), nothing is refused: the others may be able to.
void check_dropping_codecs(Plan const& plan, ScenarioFile const& file, Vocabulary const& vocabulary);

}  // namespace kvstone
