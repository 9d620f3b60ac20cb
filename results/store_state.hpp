#pragma once
// What a Store holds; for the files of this folder that make up its members.

#include <memory>
#include <optional>
#include <string>

#include "results/ingest.hpp"
#include "results/sqlite.hpp"
#include "results/store.hpp"
#include "results/writer_lock.hpp"

namespace kvstone {

/// Members go in reverse: statements before their connection, the connection before the lock.
struct Store::State {
    std::string path;
    std::optional<WriterLock> lock;  ///< nothing where the store only reads
    Connection connection;
    std::unique_ptr<Ingester> ingester;

    ~State();
};

}  // namespace kvstone
