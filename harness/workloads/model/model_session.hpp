#pragma once
// What workloads with a model in the loop share: from a cell to an evaluation, and what a reader of figures has to know.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "harness/workloads/model/evaluation.hpp"
#include "results/record/measurement.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {

/// Whether the cell's source is no model; says so.
bool lacks_model(Cell const& cell, Measurement& measurement);

/// The model that a cell's source names and the path that its options ask for.
struct ModelSession {
    /// Notes how the engine runs.
    ModelSession(Cell const& cell, Measurement& measurement);
    /// With the cell's codec. What the model says without it is kept in the folder (see BaselineCache); `branches`: see
    /// Evaluation. Throws NotApplicable where the protocol cannot run the codec.
    std::unique_ptr<Evaluation> evaluation(Cell const& cell, std::uint64_t capacity, std::string const& baseline_folder,
                                           std::uint64_t branches = 0) const;

    PathSettings settings;  ///< first: finding out about RoPE takes an engine of its own
    Engine engine;
};

/// "not_engaged: ..." where less than half of the K and V read came through the codec.
void warn_unless_engaged(Measurement& measurement);
/// Refuses a measurement of which `lost` scored tokens have no likelihood.
void refuse_lost_tokens(Measurement& measurement, std::uint64_t lost);
/// A figure of component kv.
std::optional<double> value_of(Measurement const& measurement, std::string const& metric);

}  // namespace kvstone
