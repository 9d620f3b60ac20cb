#pragma once
// Gates in the database: written once, read to be shown or decided again.

#include <optional>
#include <string>
#include <vector>

#include "results/verdict/gate.hpp"

namespace kvstone {

/// A gate with all its evidence.
struct GateRecord {
    std::string uid;
    std::string kind;  ///< "stored", "run" or "calibration"
    std::string started_utc;
    std::string finished_utc;
    GatePolicy policy;
    Evidence evidence;
    GateOutcome outcome;
    Json settings = Json::object();  ///< further settings, and the results of a calibration
    int exit_code = 0;
};

/// Writes a gate as a whole. Throws as the store does.
void store_gate(Store& store, GateRecord const& record);

/// Reads it back: `uid` is the beginning of its id, or empty for the newest that is no calibration. Its decision is the
/// stored one; its evidence is read again, campaigns included, whose figures never change once they stand. Throws
/// ConfigError where there is none, or where a campaign or its file is gone.
GateRecord load_gate(Store const& store, std::string const& database, std::string const& uid);

/// Settings of the newest calibration that compared a build with itself on that hardware, with "uid" and "started_utc"; null where there is none.
Json newest_calibration(Store const& store, std::string const& hardware_class);

/// Lets a name stand for a campaign.
void set_baseline(Store& store, std::string const& name, std::string const& campaign, std::string const& gate_run);

/// A side with cells and no figures: each cell is "missing" until an attempt is added.
Side side_of_cells(std::vector<Cell> const& cells);
/// Fills it from a gate's probes of that side: the first that is ok, or the status of the last. For timed attempts see
/// block_trouble().
void add_attempts(Side& side, std::vector<GateAttempt> const& attempts, char which);

}  // namespace kvstone
