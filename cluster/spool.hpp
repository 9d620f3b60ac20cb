#pragma once
// What ranks measured, on disk before anybody is told: a run that dies loses nothing that was measured.
//
// A spool is a folder of files, one a worker, NODE-PROCESS-RANDOM.jsonl. A worker appends to its own and holds a lock on
// it as long as it lives. A line is the XXH3-64 of the text behind it (16 hexadecimal digits), a space, the text (JSON)
// and a newline:
//
//   {"begin":{"campaign","measurement"}}    an attempt starts; its measurement says node_lost
//   {"result":{"campaign","measurement"}}   how it ended
//   {"settled":"ATTEMPT"}                   an interruption ended it: it was not made

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "cluster/protocol.hpp"
#include "results/record/file_descriptor.hpp"
#include "results/record/locking.hpp"

namespace kvstone {

/// An attempt as the spool knows it, for Store::ingest.
struct SpooledAttempt {
    std::string campaign;
    Measurement measurement;
};

/// One worker's own file, which stays unless close() removes it; its lock ends with the spool. Not thread safe.
class Spool {
  public:
    /// Nothing is made before the first record.
    Spool(std::string folder, std::string node, Locking locking = Locking::file)
        : folder_(std::move(folder)), node_(std::move(node)), locking_(locking) {}

    /// An attempt starts; makes the file, and the folder where it is missing. Throws SystemError, which names the file, as
    /// all of these do. Survives the process, not the machine: losing it costs no figure.
    void begin(WorkItem const& item, WorkerInfo const& self);
    /// An attempt ended: on the disk itself when this returns.
    void result(WorkItem const& item, Measurement const& measurement);
    /// An attempt was not made.
    void settled(WorkItem const& item);
    /// These attempts are in the database.
    void stored(std::vector<std::string> const& attempt_ids);
    /// The end: these are in the database, too. Where all are that the file has results of, it is removed, and the folder
    /// with the last one; else it stays as it is.
    void close(std::vector<std::string> const& attempt_ids);

  private:
    void create();
    bool create_once();
    void append(Json const& record, bool to_disk);

    std::string folder_;
    std::string node_;
    Locking locking_;
    std::string path_;                ///< empty before the first record
    std::set<std::string> unstored_;  ///< attempts whose results are in the file, and perhaps not in the database
    FileDescriptor file_;
    off_t size_ = 0;  ///< up to the end of the last whole line
};

/// What a file holds.
struct SpoolContent {
    std::vector<SpooledAttempt> attempts;   ///< results, in their order
    std::vector<SpooledAttempt> under_way;  ///< began and never ended, as node_lost: their run died as a whole
    std::vector<std::string> notices;       ///< lines that are not understood, each with its number and why
    /// Why the file is not understood in full, as a word for a name: "damaged", or "other-build" for whole lines that say
    /// more than this build knows, or something else. Empty: it is. A torn last line is a crash's usual trace, and no
    /// reason.
    std::string not_understood;
};
SpoolContent parse_spool(std::string const& text);

/// What becomes of a file that was looked at.
struct SpoolFate {
    enum class Kind { remove, keep, set_aside } kind = Kind::remove;
    std::string why = {};  ///< of set_aside, in the name: FILE.jsonl.WHY
};

/// Shows each file that a worker which no longer lives left in the folder, those that were set aside earlier included, and
/// does with it what `take` says. What `take` throws comes out, and the file stays. Removes what a crash left of a file
/// being made. A folder that does not exist has none. A file that cannot be read or locked stays: `notice` is told.
/// With Locking::none every file's worker counts as dead. Throws SystemError where the folder cannot be read.
void collect_spools(std::string const& folder,
                    std::function<SpoolFate(std::string const& path, SpoolContent const& content)> const& take,
                    std::function<void(std::string const&)> const& notice, Locking locking = Locking::file);

}  // namespace kvstone
