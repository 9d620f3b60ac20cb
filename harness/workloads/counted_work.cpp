#include "harness/workloads/counted_work.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <new>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codecs/from_outside.hpp"
#include "harness/attempts/work_instrument.hpp"
#include "scenarios/errors.hpp"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else  // a build on a machine without it: attempts say so
#define CALLGRIND_START_INSTRUMENTATION throw SystemError("this build was made without <valgrind/callgrind.h>")
#define CALLGRIND_STOP_INSTRUMENTATION static_cast<void>(0)
#define CALLGRIND_TOGGLE_COLLECT static_cast<void>(0)
#define CALLGRIND_DUMP_STATS_AT(name) static_cast<void>(name)
#endif

namespace kvstone {
namespace {

constexpr std::string_view counted_workloads[] = {"roundtrip", "append", "attention"};
constexpr std::size_t alignment = 256;

std::size_t rounded_up(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// The first layers and tokens of a tensor [layer, head, token, dim].
HostTensor first_part(HostTensor const& whole, WorkSample const& sample) {
    auto part = whole;
    part.shape.layers = std::min(whole.shape.layers, sample.layers);
    part.shape.tokens = std::min(whole.shape.tokens, sample.tokens);
    if (part.shape.tokens == whole.shape.tokens) return part;
    auto const size = part.span().size(), vectors = part.shape.layers * part.shape.heads;
    std::shared_ptr<std::byte> bytes(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded_up(size))),
                                     std::free);
    if (bytes == nullptr) throw std::bad_alloc();
    for (std::uint64_t head = 0; head < vectors; ++head)
        std::memcpy(bytes.get() + head * (size / vectors),
                    whole.bytes.get() + head * (whole.span().size() / (whole.shape.layers * whole.shape.heads)),
                    size / vectors);
    part.bytes = bytes;
    return part;
}

}  // namespace

std::string uncounted_reason(AttemptRequest const& request) {
    if (!request.measure.work) return {};
    auto const& cell = request.cell;
    if (std::ranges::find(counted_workloads, cell.workload) == std::end(counted_workloads))
        return fmt::format("work: workload {} has no passes whose instructions are counted; those are of {}",
                           cell.workload, fmt::join(counted_workloads, ", "));
    if (cell.backend == "cuda") return "work: instructions of a device are not counted";
    if (is_of_scenario(cell.codec) || is_engine_cache(cell.codec)) return "work: the codec runs in another process";
    return {};
}

AttemptRequest counted_part(AttemptRequest request) {
    if (!request.measure.work) return request;
    auto const& sample = *request.measure.work;
    auto& cell = request.cell;
    cell.threads = 1;
    // What is read from files is cut afterwards: a capture of fewer tokens would be another one.
    if (cell.source.value("kind", "") != "synthetic") return request;
    cell.context = std::min(cell.context, sample.tokens);
    cell.source["layers"] = std::min(cell.source.at("layers").get<std::uint64_t>(), sample.layers);
    return request;
}

void keep_counted_part(KvTensors& tensors, WorkSample const& sample) {
    for (auto* const tensor : {&tensors.k, &tensors.v})
        if (*tensor) *tensor = first_part(**tensor, sample);
}

// Whenever it is started, the instrument collects at once.
CountedWork::CountedWork() {
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_TOGGLE_COLLECT;
}

void CountedWork::count(std::function<void()> const& part) {
    CALLGRIND_TOGGLE_COLLECT;
    part();
    CALLGRIND_TOGGLE_COLLECT;
}

void CountedWork::write(std::string_view pass, std::string_view component, std::uint64_t values) {
    CALLGRIND_STOP_INSTRUMENTATION;
    auto const name = counted_pass_name({std::string(pass), std::string(component), values});
    CALLGRIND_DUMP_STATS_AT(name.c_str());
}

void end_counted_start() {
    auto const name = counted_pass_name({start_pass, "kv", 1});
    CALLGRIND_STOP_INSTRUMENTATION;
    CALLGRIND_DUMP_STATS_AT(name.c_str());
}

void count_pass(std::string_view pass, std::string_view component, std::uint64_t values,
                std::function<void()> const& run) {
    CountedWork work;
    work.count(run);
    work.write(pass, component, values);
}

}  // namespace kvstone
