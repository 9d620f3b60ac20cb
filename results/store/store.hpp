#pragma once
// The database. One writer at a time; only rank 0 writes.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "results/record/build.hpp"
#include "results/record/locking.hpp"
#include "results/record/measurement.hpp"
#include "scenarios/scenario.hpp"

struct sqlite3;  // SQLite's connection

namespace kvstone {

/// A campaign is the plan's hash + build + toolchain + hardware class + night.
struct Campaign {
    std::string id;  ///< 16 hexadecimal digits over the members below
    std::string scenario;
    std::string plan_hash;
    std::string hardware_class;
};

/// A pending attempt of a campaign.
struct PendingAttempt {
    std::string cell;  ///< its id
    int process = 0;
    int losses = 0;  ///< attempts at it that ended as node_lost
    bool operator==(PendingAttempt const&) const = default;
};

class Store {
  public:
    /// Opens for writing, creating the file and its schema, or migrating an older one. Takes the writer's lock, unless
    /// told that no one else writes. Throws ConfigError: a second writer, a newer schema, not a KVstone database, a
    /// read-only folder, a file system without locks.
    static Store open(std::string const& path, Locking locking = Locking::file);
    /// Opens for reading only; never writes, migrates or locks out a writer. Throws ConfigError where it does not
    /// exist.
    static Store open_read_only(std::string const& path);
    ~Store();
    Store(Store&&) noexcept;
    Store& operator=(Store&&) noexcept;

    /// The class of the known hosts with the same hardware, by a host's facts (see to_json(Host)); where there are
    /// none, the host's own class, which is then known to this Store.
    std::string hardware_class(Json const& host_facts) const;
    /// Writes campaign, build, scenario and every expected cell before the first attempt, in one transaction; where the
    /// campaign exists, it goes on. `fresh` opens a new one instead (a serial number joins the id). Each `night`, by its
    /// name, has a campaign of its own; empty: it is no night's.
    Campaign begin_campaign(Plan const& plan, Build const& build, std::string const& hardware_class, bool fresh,
                            std::string const& night = {});
    /// The attempts still to be made, in plan order: those without a standing attempt, except those of quarantined().
    std::vector<PendingAttempt> pending(Campaign const& campaign) const;
    /// Attempts that have lost their worker `losses_allowed` times and more. They are not tried again: they may be the
    /// cause of the loss.
    std::vector<PendingAttempt> quarantined(Campaign const& campaign) const;
    /// Cells of the campaign whose newest outcome is neither ok nor skipped.
    std::int64_t failed_cells(Campaign const& campaign) const;
    /// Stores attempts in one transaction, each as a whole; an attempt id that is stored already changes nothing.
    void ingest(Campaign const& campaign, std::vector<Measurement> const& measurements);
    /// The same for attempts that an earlier run did not store, of the campaign with this id. Leaves out attempts at
    /// cells that have a standing attempt by now (they were measured again) and at cells that the campaign does not
    /// expect. Returns the number stored, or nothing where the database has no such campaign.
    std::optional<std::size_t> recover(std::string const& campaign, std::vector<Measurement> const& measurements);

    /// The connection, for queries of this folder.
    sqlite3* connection() const;

  private:
    struct State;
    explicit Store(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Removes a database that no one has open, with the files that SQLite keeps beside it.
void remove_database(std::string const& path);

}  // namespace kvstone
