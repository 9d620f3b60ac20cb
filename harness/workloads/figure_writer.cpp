#include "harness/workloads/figure_writer.hpp"

#include <fmt/format.h>

#include "harness/attempts/process_memory.hpp"

namespace kvstone {

void add_bytes(FigureWriter& figures, ByteLedger const& ledger, std::uint64_t original_bytes, std::uint64_t values,
               double nominal_bits) {
    double const original = static_cast<double>(original_bytes);
    double const stored = static_cast<double>(ledger.stored_bytes());
    double const count = static_cast<double>(values);
    figures.add("original_bytes", original);
    figures.add("stored_bytes", stored);
    figures.add("bytes_saved", original - stored);
    figures.add("bits_per_value", 8 * stored / count);
    figures.add("nominal_bits_per_value", nominal_bits);
    figures.add("ratio_vs_fp16", 2 * count / stored);
    auto const side_data = ledger[LedgerLine::codebooks] + ledger[LedgerLine::headers];
    figures.add("ratio_without_side_data", 2 * count / (stored - static_cast<double>(side_data)));
    figures.add("ratio_vs_fp32", 4 * count / stored);
    for (std::size_t line = 0; line < ledger_lines; ++line) {
        auto const account = static_cast<LedgerLine>(line);
        figures.add_count(fmt::format("ledger_{}_bytes", name_of(account)), ledger[account]);
    }
}

void add_memory_peaks(Measurement& measurement, BackendKind kind) {
    FigureWriter figures(measurement, "kv");
    figures.add_count("peak_rss_bytes", own_peak_rss_bytes() + descendants_peak_rss_bytes());
    if (kind != BackendKind::openmp) figures.add_count("device_peak_bytes", memory_peak(kind));
}

}  // namespace kvstone
