#include "harness/attempt_process.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <new>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "backends/backend.hpp"
#include "backends/kernels/simd_target.hpp"
#include "backends/timer.hpp"
#include "codecs/external/external_failure.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/pipeline/checked_decode.hpp"
#include "harness/attempts/abilities.hpp"
#include "harness/attempts/roofline_probe.hpp"
#include "harness/external/external_codecs.hpp"
#include "harness/external/library_server.hpp"
#include "harness/files/calibration_file.hpp"
#include "harness/workloads/counted_work.hpp"
#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/workload.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/planned_files.hpp"

namespace kvstone {
namespace {

constexpr int kResultDescriptor = 3;

/// Throws SystemError where the reader is gone.
void answer(Json const& json) {
    int const descriptor = fcntl(kResultDescriptor, F_GETFD) >= 0 ? kResultDescriptor : STDOUT_FILENO;
    auto text = json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
    for (std::size_t sent = 0; sent < text.size();) {
        auto const count = write(descriptor, text.data() + sent, text.size() - sent);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) throw SystemError("cannot write the result", errno);
        sent += static_cast<std::size_t>(count);
    }
}

/// Figures of a pass that did not end well are no figures.
void fail(Measurement& measurement, Status status, std::string reason) {
    measurement.status = status;
    measurement.reason = std::move(reason);
    measurement.figures.clear();
    measurement.samples.clear();
    measurement.profiles.clear();
}

Status status_of(ExternalFailure::How how) {
    switch (how) {
        case ExternalFailure::How::crash:
            return Status::crash;
        case ExternalFailure::How::timeout:
            return Status::timeout;
        case ExternalFailure::How::wrong:
            return Status::verify_failed;
        case ExternalFailure::How::error:
            break;
    }
    return Status::error;
}

/// Before the attempt is killed at its time limit, so that the row can say which codec did not answer.
std::optional<Deadline> deadline_of(Measure const& measure) {
    if (measure.timeout_s <= 0) return std::nullopt;
    std::chrono::duration<double> const left(measure.timeout_s - std::min(1.0, measure.timeout_s / 10));
    return std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(left);
}

Measurement attempt(AttemptRequest const& request) {
    Measurement measurement;
    measurement.attempt_id = request.attempt_id;
    measurement.cell_id = request.cell.id;
    measurement.process = request.process;
    measurement.status = Status::ok;
    measurement.host = {{"vector_units", simd_target()}};
    auto start = std::chrono::steady_clock::now();
    try {
        if (auto const& own = this_build().source_hash; request.source_hash != own)
            throw ConfigError(
                fmt::format("kvstone-attempt is built from other sources ({}) than the program that asks "
                            "for the attempt ({}): build both",
                            own, request.source_hash));
        auto const& workload = workload_named(request.cell.workload);
        if (auto const why = skip_reason(request.cell); !why.empty()) {
            fail(measurement, Status::skipped, why);
            return measurement;
        }
        if (auto const here = advertised_backends(); std::ranges::find(here, request.cell.backend) == here.end()) {
            fail(measurement, Status::skipped,
                 fmt::format("backend '{}' is not on this build and machine; there are: {}", request.cell.backend,
                             fmt::join(here, ", ")));
            return measurement;
        }
        if (auto const why = uncounted_reason(request); !why.empty()) {
            fail(measurement, Status::skipped, why);
            return measurement;
        }
        PlannedFiles const files(request.cell);
        CellCodecs codecs(request.cell, deadline_of(request.measure));
        start = std::chrono::steady_clock::now();
        workload.run(request, measurement);
        // The instrument's own figures come from outside; bytes would be those of the part that was counted on.
        if (request.measure.work) measurement.figures.clear();
        if (auto const error = codecs.spot_check_error())
            FigureWriter(measurement, "kv").add("spot_check_error", *error);
        files.check_again();
    } catch (UnwrittenValues const& error) {
        fail(measurement, Status::verify_failed, error.what());
    } catch (ExternalFailure const& error) {
        fail(measurement, status_of(error.how()), error.what());
    } catch (NotApplicable const& error) {
        fail(measurement, Status::skipped, error.what());
    } catch (std::bad_alloc const&) {
        fail(measurement, Status::oom, "an allocation failed");
    } catch (std::exception const& error) {
        fail(measurement, is_out_of_memory(error) ? Status::oom : Status::error, error.what());
    } catch (...) {
        fail(measurement, Status::error, "an exception of no standard type");
    }
    measurement.wall_ns =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
    return measurement;
}

}  // namespace

int attempt_main(int argc, char** argv) {
    end_counted_start();
    try {
        if (argc == 3 && std::string(argv[1]) == "--probe") {
            BackendRuntime const runtime;
            answer(to_json(measure_roofline(backend_named(argv[2]))));
            return 0;
        }
        if (argc == 2 && std::string(argv[1]) == "--abilities") {
            answer(to_json(own_abilities()));
            return 0;
        }
        if (argc >= 3 && std::string(argv[1]) == library_argument)
            return serve_library(argv[2], {argv + 3, argv + argc});
        if (argc != 1)
            throw ConfigError(
                "usage: kvstone-attempt [--probe BACKEND | --abilities | --codec-library FILE OPTION...]");
        std::string const text{std::istreambuf_iterator<char>(std::cin), {}};
        auto const request = counted_part(attempt_request_from_json(parse_json(text)));
        set_calibration_reader(read_calibration_file);
        if (char const* const factor = std::getenv(slow_down_variable); factor != nullptr)
            slow_down_factor = std::strtod(factor, nullptr);
        BackendRuntime const runtime(request.cell.threads);
        answer(to_json(attempt(request)));
        return 0;
    } catch (std::exception const& error) {
        std::cerr << "kvstone-attempt: " << error.what() << '\n';
        return 2;
    }
}

}  // namespace kvstone
