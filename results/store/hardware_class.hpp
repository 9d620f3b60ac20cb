#pragma once
// Classes of hosts whose timings may be compared. A host's own class (see Host) rounds its memory, and the kernel takes
// some hundred MB of it for itself, more or less with every version: after an update, a host near a boundary would
// change its class. So a database compares hosts with those that it knows, with a tolerance.

#include <string>
#include <vector>

#include <sqlite3.h>

#include "scenarios/cell.hpp"

namespace kvstone {

/// Whether hosts, by their facts (see to_json(Host)), have the same processors, cores, GPUs and vector units of kernels, and
/// the same memory up to the part that kernels may take: a sixteenth of the larger, or 512 MiB. Sizes in which memory is sold
/// are further apart. False where a host does not tell its processor, or only one of them its vector units: earlier builds
/// did not.
bool same_hardware(Json const& facts, Json const& other);

/// The classes of a database: the first host of each class defines it.
class HardwareClasses {
  public:
    explicit HardwareClasses(sqlite3* connection);
    /// The class of a host: its own where the database knows it, else the known one with the same hardware (of several,
    /// the one with the nearest memory), else its own, which is known from then on. Empty where the facts have none.
    std::string of(Json const& facts);

  private:
    struct Known {
        std::string name;
        Json facts;
    };
    std::vector<Known> known_;  ///< the oldest first
};

/// Merges classes that were given to the same hardware into the oldest one: for hosts, campaigns and runs of gates. The
/// caller holds the transaction.
void unify_hardware_classes(sqlite3* connection);

}  // namespace kvstone
