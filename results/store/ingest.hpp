#pragma once
// Writes attempts into the tables.

#include <cstdint>
#include <string>
#include <unordered_map>

#include <sqlite3.h>

#include "results/record/measurement.hpp"
#include "results/store/drift.hpp"
#include "results/store/hardware_class.hpp"
#include "results/store/sqlite.hpp"

namespace kvstone {

/// Prepared statements and numbers of metrics, kept between batches. The caller holds the transaction.
class Ingester {
  public:
    explicit Ingester(sqlite3* connection);
    /// To be called at the beginning of a transaction: rows that the last one wrote may have been rolled back.
    void begin() { drift_.forget(); }
    /// Stores one attempt with all its rows. Returns false, and changes nothing, where the attempt is stored already.
    /// Throws std::logic_error for an undeclared metric, CorruptData for a cell or process that the campaign does not
    /// expect.
    bool store(std::int64_t campaign, Measurement const& measurement);
    HardwareClasses& hardware_classes() { return hardware_classes_; }

  private:
    std::int64_t metric(std::string const& name) const;
    std::optional<std::int64_t> host(Json const& facts);
    std::int64_t series(std::int64_t metric, std::string const& component);
    void add_samples(std::int64_t attempt, Samples const& samples);
    void add_compared(std::int64_t attempt, std::vector<Figure> const& figures);
    void store_figures(std::int64_t attempt, Measurement const& measurement);

    sqlite3* connection_;
    std::unordered_map<std::string, std::int64_t> metrics_;  ///< numbers of those that this build declares
    Statement find_expected_, find_host_, add_host_, add_attempt_, add_figure_, find_series_, add_series_, add_samples_,
        add_profile_, add_compared_;
    DriftMarker drift_;
    HardwareClasses hardware_classes_;
};

}  // namespace kvstone
