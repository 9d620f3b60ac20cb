#pragma once
// Drift of nodes: an attempt's surroundings beside those of earlier attempts on the same host.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <sqlite3.h>

#include "results/store/sqlite.hpp"

namespace kvstone {

/// Limits for calling a change drift. With 16 earlier values of normal noise of any size, 0.5% of undisturbed values
/// are called drift, and 0.05% with 64; where noise is below 1%, none (tests/results/drift_test.cpp).
inline constexpr std::size_t drift_history_least = 16, drift_history_most = 64;
inline constexpr double drift_fraction = 0.05;
inline constexpr double drift_deviations = 4;

/// How far `now` lies below the median of `history`, as a fraction of `unit` (default: the median). Nothing where the
/// distance is within drift_fraction, or within drift_deviations robust standard deviations (1.4826 times the median of
/// absolute deviations), or where there are fewer than drift_history_least values. The unit must be positive.
std::optional<double> drift_below(std::vector<double> history, double now, std::optional<double> unit = std::nullopt);

/// Marks attempts (attempt.drift) as they are stored. The caller holds the transaction, and calls forget() where it
/// begins: rows that were read are kept within a transaction.
class DriftMarker {
  public:
    explicit DriftMarker(sqlite3* connection);
    /// Compares the roofline and clock of a timed attempt, and the load, with its host's newest attempts of the same
    /// device and threads that are not marked themselves. Writes in words which of them drifted, and how far.
    void mark(std::int64_t attempt);
    void forget() { recent_.clear(); }

  private:
    struct Surroundings {
        double roofline_gb_per_s, clock_mhz, load_average;
    };
    /// A host by its number, device and threads.
    using Place = std::tuple<std::int64_t, std::string, std::int64_t>;
    /// Surroundings of earlier attempts that are not marked, newest first, drift_history_most at most.
    std::vector<Surroundings>& recent(Place const& place, std::int64_t attempt);

    std::map<Place, std::vector<Surroundings>> recent_;
    Statement find_hosts_, find_earlier_, mark_;
};

}  // namespace kvstone
