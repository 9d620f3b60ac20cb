#pragma once
// Which hosts are of one class, so that their timings may be compared. A host's own class (see Host) rounds its memory, and
// the kernel takes some hundred MB of that for itself, more or less with every version: a host near a boundary would be of
// another class after an update. So a database goes by the hardware it knows, with a tolerance.

#include <string>
#include <vector>

#include <sqlite3.h>

#include "scenarios/cell.hpp"

namespace kvstone {

/// Whether hosts, by their facts (see to_json(Host)), have the same processors, cores and GPUs, and as much memory but for
/// what kernels may keep: a sixteenth of the larger, or 512 MiB. Sizes that memory is sold in lie further apart. False
/// where either does not tell its processor.
bool same_hardware(Json const& facts, Json const& other);

/// The classes of a database: each is known by the first of its hosts.
class HardwareClasses {
  public:
    explicit HardwareClasses(sqlite3* connection);
    /// The class of a host: its own where that is known, else the known one whose hardware is the same (of several that with
    /// the nearest memory), else its own, which is known from then on. Empty where the facts have none.
    std::string of(Json const& facts);

  private:
    struct Known {
        std::string name;
        Json facts;
    };
    std::vector<Known> known_;  ///< the oldest first
};

/// Makes one class, the oldest, of those that the same hardware was given: hosts, campaigns and runs of gates. The caller
/// holds the transaction.
void unify_hardware_classes(sqlite3* connection);

}  // namespace kvstone
