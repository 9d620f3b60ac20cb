#pragma once
// What a Store holds; for the files of this folder that make up its members.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "results/store/ingest.hpp"
#include "results/store/sqlite.hpp"
#include "results/store/store.hpp"
#include "results/store/writer_lock.hpp"

namespace kvstone {

/// Members go in reverse: statements before their connection, the connection before the lock.
struct Store::State {
    std::string path;
    bool writes = false;
    std::optional<WriterLock> lock;  ///< nothing where the store only reads, or nobody else writes
    Connection connection;
    std::unique_ptr<Ingester> ingester;

    ~State();
};

/// SQL for how often the worker of an attempt of v_current c was lost.
inline constexpr std::string_view losses_of_current =
    "(SELECT count(*) FROM attempt l WHERE l.campaign = c.campaign AND l.cell = c.cell AND l.process = c.process AND "
    "l.status = 'node_lost')";

}  // namespace kvstone
