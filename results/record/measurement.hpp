#pragma once
// The result of one attempt at a cell: figures, raw samples, or the reason why there are none.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/cell.hpp"

namespace kvstone {

enum class Status { ok, verify_failed, error, crash, timeout, oom, node_lost, skipped };
std::string_view name_of(Status status);
/// Throws ConfigError where no status has that name.
Status status_named(std::string_view name);
/// ok and verify_failed stand within a campaign; the others are tried again, skipped ones looked at anew.
constexpr bool stands(Status status) { return status == Status::ok || status == Status::verify_failed; }

/// An attempt that has lost its worker this often is not tried again: it may be the cause of the loss.
inline constexpr int losses_allowed = 2;

/// component is "k", "v" or "kv", for workload inspect also "k_prerope"; metric is a name of metrics(). A null value
/// does not apply, or is not finite.
struct Figure {
    std::string component;
    std::string metric;
    std::optional<double> value;
    std::uint64_t n = 1;  ///< samples behind the value
    std::optional<double> ci_low;
    std::optional<double> ci_high;
};

/// Raw samples in the order in which they were taken.
struct Samples {
    std::string component;
    std::string metric;
    std::vector<double> values;
};

/// A figure along an axis; -1: not along this axis.
struct ProfileFigure {
    std::string component;
    std::string metric;
    int layer = -1;
    int head = -1;
    std::int64_t position = -1;
    double value = 0;
};

/// The instructions that a counted pass executed in one function, without those of the functions that it calls.
struct FunctionWork {
    std::string component;
    std::string pass;  ///< "encode" or "decode"
    std::string function;
    double instructions = 0;  ///< per value of the component
};

struct Measurement {
    std::string attempt_id;  ///< 32 random hexadecimal digits, made by the starter of the attempt
    std::string cell_id;
    int process = 0;  ///< index among measure.processes
    Status status = Status::error;
    std::string reason;
    int signal = 0;           ///< the signal that ended the process; 0: none
    std::string stderr_tail;  ///< its last lines
    std::string started_utc;  ///< ISO 8601 with milliseconds and Z
    std::string finished_utc;
    std::int64_t wall_ns = 0;      ///< of the whole attempt, spawn to end
    std::int64_t harness_ns = 0;   ///< part of it that the workload did not use
    double roofline_gb_per_s = 0;  ///< probes around the attempt; 0: none
    std::string device;            ///< "CPU model" or "GPU model"
    int threads = 0;               ///< as run
    std::string protocol;          ///< of model workloads; empty: does not apply
    std::string engine;            ///< of model workloads: the engine and how it ran; empty: does not apply
    std::string task;              ///< of task workloads; empty: does not apply
    Json host;                     ///< Host of the worker (see host.hpp); `vector_units` are those of the attempt
    std::vector<Figure> figures;
    std::vector<Samples> samples;
    std::vector<ProfileFigure> profiles;
    std::vector<FunctionWork> functions;  ///< of counted passes; not stored with the figures
};

Json to_json(Measurement const& measurement);
/// Throws CorruptData where members are missing or of another type.
Measurement measurement_from_json(Json const& json);

}  // namespace kvstone
