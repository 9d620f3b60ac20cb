#pragma once
// Measurements of ranks, written to disk before they are reported: a run that dies loses none of them.
//
// A spool is a folder of files, one a worker, NODE-PROCESS-RANDOM.jsonl. A worker appends to its own and holds a lock on
// it as long as it lives. A line is the XXH3-64 of the text behind it (16 hexadecimal digits), a space, the text (JSON)
// and a newline:
//
//   {"begin":{"campaign","measurement"}}    an attempt starts; its measurement says node_lost
//   {"result":{"campaign","measurement"}}   how it ended
//   {"settled":"ATTEMPT"}                   an interruption ended it; it counts as not made

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

    /// Records the start of an attempt; makes the file, and the folder where it is missing. Throws SystemError, which
    /// names the file, like all of these. The record survives the process, not the machine: losing it costs no figure.
    void begin(WorkItem const& item, WorkerInfo const& self);
    /// Records the end of an attempt: the record is on the disk itself when this returns.
    void result(WorkItem const& item, Measurement const& measurement);
    /// Records that an attempt was not made.
    void settled(WorkItem const& item);
    /// Records that these attempts are in the database.
    void stored(std::vector<std::string> const& attempt_ids);
    /// The end: these attempts are in the database, too. The file is removed where all its results are in the database,
    /// and the folder with the last file; otherwise it stays as it is.
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

/// The content of a file.
struct SpoolContent {
    std::vector<SpooledAttempt> attempts;   ///< results, in their order
    std::vector<SpooledAttempt> under_way;  ///< begun and not ended, as node_lost: their run died as a whole
    std::vector<std::string> notices;       ///< lines that cannot be read, each with its number and the reason
    /// Why the file cannot be read in full, as a word for its name: "damaged", or "other-build" for whole lines with
    /// other content than this build knows. Empty: it can. A torn last line is the usual trace of a crash, and no
    /// reason.
    std::string not_understood;
};
SpoolContent parse_spool(std::string const& text);

/// The fate of a file after it was read.
struct SpoolFate {
    enum class Kind { remove, keep, set_aside } kind = Kind::remove;
    std::string why = {};  ///< of set_aside, in the name: FILE.jsonl.WHY
};

/// Calls `take` for each file in the folder whose worker no longer lives, including files that were set aside earlier,
/// and does with the file what `take` returns. An exception of `take` is thrown on, and the file stays. Removes remains
/// of files that a crash interrupted. A folder that does not exist has no files. A file that cannot be read or locked
/// stays: `notice` is called. With Locking::none every worker counts as dead. Throws SystemError where the folder
/// cannot be read.
void collect_spools(std::string const& folder,
                    std::function<SpoolFate(std::string const& path, SpoolContent const& content)> const& take,
                    std::function<void(std::string const&)> const& notice, Locking locking = Locking::file);

}  // namespace kvstone
