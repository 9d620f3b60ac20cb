#pragma once
// A workload turns a cell into figures, inside an attempt's process.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codecs/codec.hpp"
#include "harness/attempts/attempt.hpp"
#include "harness/sources/tensor_source.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// Fills figures, samples, profiles and, where verification fails, status and reason. May throw anything: the attempt
/// turns UnwrittenValues into `verify_failed`, NotApplicable into `skipped`, std::bad_alloc into `oom` and every other
/// exception into `error`.
using WorkloadFunction = void (*)(AttemptRequest const& request, Measurement& measurement);

struct Workload {
    std::string name;
    std::string summary;
    WorkloadFunction run;
    std::vector<WorkloadOption> options;
    /// See Vocabulary::check_workload; null: all options are accepted.
    void (*check)(Json const& options, Json const& locator) = nullptr;
    /// The source's tensors that it reads, for as many first tokens as the cell's context: workloads that read some
    /// share one capture.
    Needs reads = {};
    /// Why a codec cannot be measured under these options, for any source; empty where it can. Its cells are then
    /// skipped for this reason, and `plan` says so beforehand. Null: every codec can be measured.
    std::string (*skips)(Codec const& codec, Json const& options) = nullptr;
    /// The part of a codec that the figures depend on (Vocabulary::measured_of_codec); null: all of it.
    std::string (*measures)(std::string const& codec) = nullptr;
    /// The longest context of a model that was trained on so many tokens; null: as many.
    std::uint64_t (*longest_context)(std::uint64_t trained_tokens, Json const& options) = nullptr;
    /// Whether codecs that drop tokens can be measured; of the others their cells are skipped.
    bool takes_selections = false;
};

std::vector<Workload> const& workloads();
/// Throws ConfigError with the known names.
Workload const& workload_named(std::string const& name);
/// Workload::skips of the cell's workload.
std::string skip_reason(Cell const& cell);
/// See Vocabulary::longest_context: of models.
std::optional<ContextLimit> longest_context(Cell const& cell);

}  // namespace kvstone
