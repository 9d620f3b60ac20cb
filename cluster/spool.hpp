#pragma once
// What ranks measured, on disk before anybody is told: a run that dies loses nothing that was measured.
//
// A spool is a folder of files, one a worker, NODE-PROCESS-RANDOM.jsonl. A worker appends to its own and holds a lock on
// it as long as it lives. A line is the XXH3-64 of the text behind it (16 hexadecimal digits), a space, the text (JSON)
// and a newline:
//
//   {"begin":{"campaign","measurement"}}    an attempt starts; its measurement says node_lost, should no result follow
//   {"result":{"campaign","measurement"}}   how it ended
//   {"settled":"ATTEMPT"}                   it was given up on purpose (an interruption): nothing was lost

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "cluster/protocol.hpp"

namespace kvstone {

/// An attempt as the spool knows it, for Store::ingest.
struct SpooledAttempt {
    std::string campaign;
    Measurement measurement;
};

/// One worker's own file. Not thread safe.
class Spool {
  public:
    /// Nothing is made before the first record.
    Spool(std::string folder, std::string node) : folder_(std::move(folder)), node_(std::move(node)) {}
    /// Keeps the file unless remove() was called; its lock ends.
    ~Spool();
    Spool(Spool const&) = delete;
    Spool& operator=(Spool const&) = delete;

    /// An attempt starts; makes the file, and the folder where it is missing. Throws SystemError, which names the file, as
    /// all of these do. Survives the process, not the machine: losing it costs no figure.
    void begin(WorkItem const& item, WorkerInfo const& self);
    /// An attempt ended: on the disk itself when this returns.
    void result(WorkItem const& item, Measurement const& measurement);
    /// An attempt is not to be counted as lost, nor its result kept.
    void settled(WorkItem const& item);
    /// Everything in the file is in the database: it is removed, and the folder with the last one.
    void remove();

  private:
    void create();
    void append(Json const& record, bool to_disk);

    std::string folder_;
    std::string node_;
    std::string path_;  ///< empty before the first record
    int descriptor_ = -1;
    off_t size_ = 0;  ///< up to the end of the last whole line
};

/// What a file holds: results in their order, then attempts that began and never ended, as node_lost.
struct SpoolContent {
    std::vector<SpooledAttempt> attempts;
    std::vector<std::string> notices;  ///< lines that are torn or altered, each with its number
};
SpoolContent parse_spool(std::string const& text);

/// Hands over each file that a worker which no longer lives left in the folder, and removes it where `take` returns true.
/// What `take` throws comes out, and the file stays. A folder that does not exist has none. Throws SystemError where the
/// folder or a file cannot be read.
void collect_spools(std::string const& folder,
                    std::function<bool(std::string const& path, SpoolContent const& content)> const& take);

}  // namespace kvstone
