#pragma once
// The members of a Store; for the files of this folder that implement it.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "results/store/ingest.hpp"
#include "results/store/sqlite.hpp"
#include "results/store/store.hpp"
#include "results/store/writer_lock.hpp"

namespace kvstone {

/// Members are destroyed in reverse: statements before their connection, the connection before the lock.
struct Store::State {
    std::string path;
    bool writes = false;
    std::optional<WriterLock> lock;  ///< empty where the store only reads, or no one else writes
    Connection connection;
    std::unique_ptr<Ingester> ingester;

    ~State();
};

/// SQL for the number of workers that the attempt of a row c of v_current lost.
inline constexpr std::string_view losses_of_current =
    "(SELECT count(*) FROM attempt l WHERE l.campaign = c.campaign AND l.cell = c.cell AND l.process = c.process AND "
    "l.status = 'node_lost')";

}  // namespace kvstone
