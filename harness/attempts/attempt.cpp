#include "harness/attempts/attempt.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/attempts/abilities.hpp"
#include "harness/attempts/process_memory.hpp"
#include "harness/attempts/work_instrument.hpp"
#include "results/record/utc.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/own_program.hpp"

extern char** environ;

namespace kvstone {
namespace {

constexpr std::uint64_t kMegabyte = 1'000'000;
constexpr std::uint64_t kThreadStackBytes = std::uint64_t{8} << 20;

/// The machine's available memory, less a reserve for other processes.
std::uint64_t default_memory_bytes() {
    auto const available = available_memory_bytes();
    auto const reserve = std::max<std::uint64_t>(available / 20, 256 * kMegabyte);
    return std::max(available, 2 * reserve) - reserve;
}

std::string signal_text(int signal) {
    char const* name = sigabbrev_np(signal);
    return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal);
}

/// Status and reason of an attempt that did not tell them itself; false where it did, and `measurement` is its word.
bool failed(ChildOutcome const& outcome, AttemptRequest const& request, Measurement& measurement) {
    auto const fail = [&](Status status, std::string reason) {
        measurement.status = status;
        measurement.reason = std::move(reason);
        return true;
    };
    if (outcome.cancelled) return fail(Status::error, "cancelled");
    if (outcome.timed_out) return fail(Status::timeout, fmt::format("exceeded {:g} s", request.measure.timeout_s));
    if (outcome.memory_exceeded)
        return fail(Status::oom,
                    fmt::format("exceeded its memory limit (peak {} MB)", outcome.peak_rss_bytes / kMegabyte));
    if (outcome.oom_killed) return fail(Status::oom, "killed by the kernel for want of memory");
    if (outcome.signal != 0) return fail(Status::crash, signal_text(outcome.signal));
    if (outcome.exit_code != 0) return fail(Status::crash, fmt::format("exit code {}", outcome.exit_code));
    try {
        measurement = measurement_from_json(parse_json(outcome.output));
    } catch (std::exception const&) {
        return fail(Status::crash, "no result");
    }
    return false;
}

/// A fact of its host that the attempt told; empty where it told nothing.
std::string told_fact(Measurement const& measurement, char const* name) {
    return measurement.host.is_object() ? measurement.host.value(name, "") : "";
}

/// The instrument that has counted, and on how much; empty: none.
std::string instrument_of(AttemptRequest const& request, Measurement const& measurement) {
    auto const version = told_fact(measurement, "instrument");
    return version.empty() ? version : instrument_text(version, *request.measure.work);
}

void add_counts(WorkInstrument const& instrument, Measurement& measurement) {
    try {
        instrument.add_counts(measurement);
    } catch (CorruptData const& error) {
        measurement.status = Status::error;
        measurement.reason = error.what();
        measurement.figures.clear();
    }
}

int attempt_threads(Spawner const& spawner, int threads) { return threads > 0 ? threads : spawner.cores(); }

}  // namespace

Json to_json(AttemptRequest const& request) {
    return {{"cell", to_json(request.cell)},
            {"measure", to_json(request.measure)},
            {"attempt_id", request.attempt_id},
            {"process", request.process},
            {"source_hash", request.source_hash}};
}

AttemptRequest attempt_request_from_json(Json const& json) {
    return {cell_from_json(json.at("cell")), measure_from_json(json.at("measure")), json.at("attempt_id"),
            json.at("process"), json.at("source_hash")};
}

std::string attempt_program() {
    auto path = own_helper("kvstone-attempt");
    if (char const* named = std::getenv(attempt_variable); named != nullptr) path = std::filesystem::absolute(named);
    if (access(path.c_str(), X_OK) != 0) throw SystemError("cannot run " + path.string(), errno);
    return path.string();
}

ChildCommand attempt_command(Spawner const& spawner, std::string const& backend, int threads,
                             std::uint64_t memory_bytes) {
    ChildCommand command;
    command.arguments = {attempt_program()};
    for (char** variable = environ; *variable != nullptr; ++variable) {
        std::string_view const text(*variable);
        auto const name = text.substr(0, text.find('='));
        bool wanted = name.starts_with("KVSTONE_");
        for (std::string_view const kept :
             {"PATH", "HOME", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "TMPDIR", "CUDA_VISIBLE_DEVICES"})
            wanted = wanted || name == kept;
        if (wanted && name.size() < text.size()) command.environment.emplace(name, text.substr(name.size() + 1));
    }
    int const run_threads = attempt_threads(spawner, threads);
    command.environment["LC_ALL"] = "C";
    command.environment["TZ"] = "UTC";
    command.environment["OMP_NUM_THREADS"] = std::to_string(run_threads);
    // A lone thread is left to the kernel: bound, it would sit on the first processor, where the machine's own work is.
    command.environment["OMP_PROC_BIND"] = run_threads > 1 ? "spread" : "false";
    command.environment["OMP_PLACES"] = "threads";

    command.memory_bytes = memory_bytes != 0 ? memory_bytes : default_memory_bytes();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // whose shadows are larger than any limit
    // Device drivers reserve address space without bounds, so only host backends get a limit on it; stacks are
    // reserved, not used.
    if (backend != "cuda")
        command.data_bytes = command.memory_bytes + static_cast<std::uint64_t>(run_threads) * kThreadStackBytes;
#else
    static_cast<void>(backend);
    static_cast<void>(kThreadStackBytes);
#endif
    return command;
}

Measurement run_attempt(Spawner& spawner, AttemptRequest const& request) {
    auto const started_utc = utc_now();
    auto command = attempt_command(spawner, request.cell.backend, request.cell.threads, request.measure.memory_bytes);
    // Clients that a workload starts would inherit the place of the thread that OpenMP bound first.
    if (request.cell.options.value("threads", 1) > 1) command.environment["OMP_PROC_BIND"] = "false";
    command.input = to_json(request).dump();
    command.timeout_s = request.measure.timeout_s;
    Measurement measurement;
    std::optional<WorkInstrument> instrument;
    if (request.measure.work) try {
            instrument.emplace().surround(command, request.measure.work->start);
        } catch (ConfigError const& error) {
            // Of two builds that a gate compares, neither can be measured, and the gate says why.
            measurement.status = Status::skipped;
            measurement.reason = error.what();
        }
    auto const skipped = measurement.status == Status::skipped;
    auto const outcome = skipped ? ChildOutcome{} : spawner.run(command);

    bool const told = !skipped && !failed(outcome, request, measurement);
    if (told && instrument && measurement.status == Status::ok) add_counts(*instrument, measurement);
    // The attempt writes its workload's own time into wall_ns.
    measurement.harness_ns = told ? outcome.wall_ns - measurement.wall_ns : 0;
    measurement.wall_ns = outcome.wall_ns;
    measurement.attempt_id = request.attempt_id;
    measurement.cell_id = request.cell.id;
    measurement.protocol = request.cell.options.value("protocol", "");
    measurement.task = request.cell.options.value("task", "");
    measurement.process = request.process;
    measurement.signal = outcome.signal;
    measurement.stderr_tail = outcome.stderr_tail;
    auto host = host_of_attempts(told_fact(measurement, "vector_units"), instrument_of(request, measurement));
    host.energy = told_fact(measurement, "energy");
    measurement.host = to_json(host);
    measurement.device = request.cell.backend == "cuda" && !host.gpus.empty() ? host.gpus.front() : host.cpu_model;
    measurement.threads = instrument ? 1 : attempt_threads(spawner, request.cell.threads);
    measurement.started_utc = started_utc;
    measurement.finished_utc = utc_now();
    return measurement;
}

}  // namespace kvstone
