#pragma once
// Maintenance of database files: merging, checking, copying, removing old campaigns.

#include <cstdint>
#include <string>
#include <vector>

#include "results/store/store.hpp"

namespace kvstone {

struct Merged {
    std::int64_t campaigns = 0;  ///< new in the file
    std::int64_t attempts = 0;
};

/// Copies rows of `file` that the store lacks into it, in one transaction. Rows are the same where their uid is (where
/// there is none: where all their columns are), so that merging again, or in another order, changes nothing. The file
/// is read through a copy without a name (in SQLite's temporary folder), migrated where it is older. Throws ConfigError
/// where the file is newer, or no KVstone database.
Merged merge(Store& store, std::string const& file);

/// The faults of the file, in words; empty: none. Finds pages that cannot be read, indices that disagree with
/// their tables, values that break a rule, and rows that refer to nothing.
std::vector<std::string> check(Store const& store);

/// Writes a compact copy of the state at this moment, beside a writer too. Throws ConfigError where `file` exists.
void backup(Store const& store, std::string const& file);

/// A compact copy of the present state, in a file beside another one; removed at the end. Also removes the copies that
/// killed processes of this host left beside that file.
class TemporaryCopy {
  public:
    TemporaryCopy(Store const& store, std::string const& beside);
    ~TemporaryCopy();
    TemporaryCopy(TemporaryCopy const&) = delete;
    TemporaryCopy& operator=(TemporaryCopy const&) = delete;
    std::string const& path() const { return path_; }

  private:
    std::string path_;
};

/// Campaigns to be removed: those named (by their ids), and those that began before a date.
struct PruneChoice {
    std::vector<std::string> campaigns;
    std::string before_utc;  ///< ISO 8601; empty: none by age
};

/// A campaign that is removed, or would be.
struct PrunedCampaign {
    std::string id;
    std::string scenario;
    std::string started_utc;
    std::int64_t attempts = 0;
};

std::vector<PrunedCampaign> prunable(Store const& store, PruneChoice const& choice);

/// Removes the campaigns with all their rows, then cells, plans, builds and hosts that no row refers to any more, and
/// gives the space back.
std::vector<PrunedCampaign> prune(Store& store, PruneChoice const& choice);

}  // namespace kvstone
