#pragma once
// Nodes that are not what they were: an attempt's surroundings beside those of earlier attempts on the same host.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <sqlite3.h>

#include "results/store/sqlite.hpp"

namespace kvstone {

/// What it takes to speak of drift. With 16 earlier values of normal noise, whatever its size, 0.5% of undisturbed ones
/// are taken for drift, and 0.05% with 64; where noise is below 1%, none (tests/results/drift_test.cpp).
inline constexpr std::size_t drift_history_least = 16, drift_history_most = 64;
inline constexpr double drift_fraction = 0.05;
inline constexpr double drift_deviations = 4;

/// How far `now` lies below the median of `history`, as a fraction of `unit` (of the median, where none is given);
/// nothing where that is not more than drift_fraction and than drift_deviations robust standard deviations (1.4826 times
/// the median of absolute deviations), or where there are fewer than drift_history_least values. The unit must be
/// positive.
std::optional<double> drift_below(std::vector<double> history, double now, std::optional<double> unit = std::nullopt);

/// Marks attempts (attempt.drift) as they are stored. The caller holds the transaction, and calls forget() where it
/// begins: within one, what was looked up is kept.
class DriftMarker {
  public:
    explicit DriftMarker(sqlite3* connection);
    /// Compares the roofline and clock of a timed attempt, and the load, with its host's newest attempts of the same
    /// device and threads that are not marked themselves. Writes what drifted, and how far, in words.
    void mark(std::int64_t attempt);
    void forget() { recent_.clear(); }

  private:
    struct Surroundings {
        double roofline_gb_per_s, clock_mhz, load_average;
    };
    /// A host by its number, device and threads.
    using Place = std::tuple<std::int64_t, std::string, std::int64_t>;
    /// Of earlier attempts that are not marked, newest first, drift_history_most at most.
    std::vector<Surroundings>& recent(Place const& place, std::int64_t attempt);

    std::map<Place, std::vector<Surroundings>> recent_;
    Statement find_hosts_, find_earlier_, mark_;
};

}  // namespace kvstone
