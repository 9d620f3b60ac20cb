#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/backend.hpp"
#include "codecs/ledger.hpp"
#include "harness/workloads/stopping_rule.hpp"
#include "results/record/measurement.hpp"

namespace kvstone {

/// Adds figures of one component.
class FigureWriter {
  public:
    FigureWriter(Measurement& measurement, std::string component)
        : figures_(measurement.figures), component_(std::move(component)) {}

    void add(std::string const& metric, std::optional<double> value) {
        figures_.push_back({component_, metric, value, 1, {}, {}});
    }
    void add_count(std::string const& metric, std::uint64_t value) { add(metric, static_cast<double>(value)); }
    void add(std::string const& metric, double value, std::uint64_t n, std::optional<Interval> interval) {
        Figure figure{component_, metric, value, n, {}, {}};
        if (interval) {
            figure.ci_low = interval->low;
            figure.ci_high = interval->high;
        }
        figures_.push_back(figure);
    }

  private:
    std::vector<Figure>& figures_;
    std::string component_;
};

/// Bytes and ratios of one component: `values` values, `original_bytes` in the source.
void add_bytes(FigureWriter& figures, ByteLedger const& ledger, std::uint64_t original_bytes, std::uint64_t values,
               double nominal_bits);

/// The most memory that this process and those that it has started have used, and on a device (backends other than openmp) the peak of its buffers
/// there.
void add_memory_peaks(Measurement& measurement, BackendKind kind = BackendKind::openmp);

}  // namespace kvstone
