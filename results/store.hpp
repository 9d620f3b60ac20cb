#pragma once
// The database. One writer at a time; rank 0 is the only hand that writes.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "results/build.hpp"
#include "results/measurement.hpp"
#include "scenarios/scenario.hpp"

struct sqlite3;  // SQLite's connection

namespace kvstone {

/// A campaign is the plan's hash + build + toolchain + hardware class.
struct Campaign {
    std::string id;  ///< 16 hexadecimal digits over the members below
    std::string scenario;
    std::string plan_hash;
    std::string hardware_class;
};

class Store {
  public:
    /// Opens for writing, creating the file and its schema, or migrating an older one. Takes the writer's lock.
    /// Throws ConfigError: a second writer, a newer schema, not a KVstone database, a read-only folder.
    static Store open(std::string const& path);
    /// Opens for reading only; never writes, migrates or locks out a writer. Throws ConfigError where it does not
    /// exist.
    static Store open_read_only(std::string const& path);
    ~Store();
    Store(Store&&) noexcept;
    Store& operator=(Store&&) noexcept;

    /// Writes campaign, build, scenario and every expected cell before the first attempt, in one transaction; where the
    /// campaign exists, it goes on. `fresh` opens a new one instead (a serial number joins the id).
    Campaign begin_campaign(Plan const& plan, Build const& build, std::string const& hardware_class, bool fresh);
    /// (cell id, process index) of what still has to be tried, in plan order.
    std::vector<std::pair<std::string, int>> pending(Campaign const& campaign) const;
    /// Stores attempts in one transaction, each whole or absent; an attempt id that is there already changes nothing.
    void ingest(Campaign const& campaign, std::vector<Measurement> const& measurements);

    /// The connection, for queries of this folder.
    sqlite3* connection() const;

  private:
    struct State;
    explicit Store(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
