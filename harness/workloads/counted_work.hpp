#pragma once
// Passes whose instructions an instrument counts (`measure: {work: callgrind}`). The instrument runs around this process and
// writes its counts into files, which harness/attempts/work_instrument.hpp reads.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "harness/attempts/attempt.hpp"
#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// Why the instructions of a cell are not counted; empty: they are, or were not asked for.
std::string uncounted_reason(AttemptRequest const& request);
/// The request for an attempt that makes no more of the cell's tensors than are counted on, with one thread; where nothing is
/// counted, the same.
AttemptRequest counted_part(AttemptRequest request);
/// The first layers and tokens of tensors that were read whole. Their queries are left as they are.
void keep_counted_part(KvTensors& tensors, WorkSample const& sample);

/// The counters of this process. Nothing is counted, and nothing takes longer, before the constructor and after write(). One
/// at a time.
class CountedWork {
  public:
    /// Throws SystemError where this build has no requests of the instrument.
    CountedWork();
    CountedWork(CountedWork const&) = delete;
    CountedWork& operator=(CountedWork const&) = delete;

    /// Counts `part` of a pass.
    void count(std::function<void()> const& part);
    /// Ends counting, and has the counts written down as those of a whole pass over `values` values. `pass`: "encode" or
    /// "decode"; `component`: "k" or "v".
    void write(std::string_view pass, std::string_view component, std::uint64_t values);
};

/// Ends the counting that began with the process, and writes the counts down as those of its start. Without an instrument, or where that
/// begins later, it does nothing.
void end_counted_start();

/// A whole pass: `run` once, after the caller has run it once before.
void count_pass(std::string_view pass, std::string_view component, std::uint64_t values,
                std::function<void()> const& run);

}  // namespace kvstone
