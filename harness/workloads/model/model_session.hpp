#pragma once
// Shared by workloads with a model in the loop: from a cell to an evaluation, and notes for readers of its figures.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "harness/workloads/model/evaluation.hpp"
#include "results/record/measurement.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {

/// Whether the cell's source is no model; the measurement then says so.
bool lacks_model(Cell const& cell, Measurement& measurement);

/// The model that a cell's source names and the path that its options ask for.
struct ModelSession {
    /// Records how the engine runs. Throws ConfigError where the reference has another vocabulary.
    ModelSession(Cell const& cell, Measurement& measurement);
    /// An evaluation of the cell's codec. Answers without it are kept in the folder (see BaselineCache); `branches`:
    /// see Evaluation. Throws NotApplicable where the protocol cannot run the codec.
    std::unique_ptr<Evaluation> evaluation(Cell const& cell, std::uint64_t capacity, std::string const& baseline_folder,
                                           std::uint64_t branches = 0) const;

    PathSettings settings;  ///< declared first: looking for RoPE needs an engine of its own
    std::optional<Engine> reference;
    Engine engine;
};

/// Where the codec is the engine's own cache: says in the measurement how the engine stored K and V and ran attention, which
/// is how it differs from a codec of this program, and how much the process grew for a cache of so many tokens.
/// `k` and `v` are bytes() of some context.
void add_engine_cache(Evaluation const& evaluation, PathSettings const& settings, std::uint64_t capacity,
                      CacheBytes const& k, CacheBytes const& v, Measurement& measurement);
/// Refuses a measurement in which `lost` scored tokens have no likelihood.
void refuse_lost_tokens(Measurement& measurement, std::uint64_t lost);
/// A figure of component kv.
std::optional<double> value_of(Measurement const& measurement, std::string const& metric);

}  // namespace kvstone
