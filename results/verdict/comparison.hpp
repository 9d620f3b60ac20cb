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
    exactly,     ///< deterministic ones: any difference is one
    by_time,     ///< timings and rates, of whatever the machine was doing: only interleaved builds are ranked
    by_items,    ///< accuracy: item by item, where the answers were stored
    by_interval  ///< the rest: quality of a model and memory, by their confidence intervals
};
Comparing comparing(Metric const& metric);

/// What two campaigns do not share, told before any difference is blamed on the code.
struct Circumstances {
    bool same_toolchain = true;  ///< packages, compiler, flags and type of build
    bool same_hardware = true;
    std::vector<std::string> differences;  ///< a sentence each
    /// Why a difference is none of the code's; empty: nothing stands against that. `across_toolchains` takes another
    /// toolchain for the code's own doing.
    std::string excuse(bool across_toolchains) const;
};
Circumstances circumstances(Side const& base, Side const& head);

struct CompareOptions {
    double accuracy_margin = 0.01;  ///< loss of accuracy that is none, absolute
    double margin = 0.02;           ///< share of a timing, or of a figure without an interval, that is no difference
    bool across_toolchains = false;
};

struct Compared {
    std::size_t metric = 0;  ///< index into metrics()
    std::size_t component = 0;
    std::optional<double> base = {};  ///< median over processes
    std::optional<double> head = {};
    /// Of accuracy head - base; else head / base - 1. Nothing where base is 0 or one of them is null.
    std::optional<Estimate> change = {};
    std::optional<double> p = {};           ///< of accuracy: that it is worse by the margin or more
    std::optional<double> detectable = {};  ///< of accuracy: the loss that would have been seen
    Verdict verdict = Verdict::pass;
    std::string why = {};        ///< empty: nothing to say, the figures are equal
    bool within_margin = false;  ///< they differ by no more than what counts as none
};

/// One figure of one cell on both sides. Requires that either side has it.
Compared compare_figure(Side const& base, SideCell const& base_cell, Side const& head, SideCell const& head_cell,
                        std::size_t metric, std::size_t component, std::string const& excuse,
                        CompareOptions const& options);

/// head / base - 1 where it is worse, with its sign turned where it is better; 0 for metrics of no direction.
double worse_by(Metric const& metric, double base, double head);

}  // namespace kvstone
