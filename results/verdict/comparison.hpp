#pragma once
// Two builds side by side, figure by figure.

#include <optional>
#include <string>
#include <vector>

#include "results/statistics/signed_rank.hpp"
#include "results/statistics/verdict.hpp"
#include "results/verdict/side.hpp"

namespace kvstone {

/// How figures of a metric are compared.
enum class Comparing : std::uint8_t {
    exactly,   ///< deterministic metrics: any difference counts
    by_time,   ///< timings, rates and energies, which depend on the machine's load: only interleaved builds are ranked
    by_count,  ///< counts of work, which repeat but for the way a program was linked
    by_items,  ///< accuracy: item by item, where the answers were stored
    by_interval  ///< the rest: quality of a model and memory, by their confidence intervals
};
Comparing comparing(Metric const& metric);

/// Differences in the circumstances of two campaigns, shown before any difference is blamed on the code.
struct Circumstances {
    bool same_toolchain = true;  ///< packages, compiler, flags and type of build
    bool same_hardware = true;
    std::vector<std::string> differences;  ///< a sentence each
    /// Why a difference cannot be blamed on the code; empty: it can. `across_toolchains` counts another toolchain as a
    /// change of the code.
    std::string excuse(bool across_toolchains) const;
};
Circumstances circumstances(Side const& base, Side const& head);

struct CompareOptions {
    double accuracy_margin = 0.01;  ///< loss of accuracy that counts as none, absolute
    double margin = 0.02;           ///< share of a timing, or of a figure without interval, that is no difference
    bool across_toolchains = false;
};

struct Compared {
    std::size_t metric = 0;  ///< index into metrics()
    std::size_t component = 0;
    std::optional<double> base = {};  ///< median over processes
    std::optional<double> head = {};
    /// head - base for accuracy, else head / base - 1. Empty where base is 0 or one of them is null.
    std::optional<Estimate> change = {};
    std::optional<double> p = {};           ///< for accuracy: of a loss of the margin or more
    std::optional<double> detectable = {};  ///< for accuracy: the smallest loss that would be found
    Verdict verdict = Verdict::pass;
    std::string why = {};        ///< empty: the figures are equal
    bool within_margin = false;  ///< the difference is within the margin
};

/// One figure of one cell on both sides. Requires that either side has it.
Compared compare_figure(Side const& base, SideCell const& base_cell, Side const& head, SideCell const& head_cell,
                        std::size_t metric, std::size_t component, std::string const& excuse,
                        CompareOptions const& options);

/// head / base - 1 where it is worse, with its sign turned where it is better; 0 for metrics of no direction.
double worse_by(Metric const& metric, double base, double head);

}  // namespace kvstone
