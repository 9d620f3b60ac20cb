#pragma once
// The ranks as rank 0 knows them: who has offered itself, who is idle, who is gone.

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "cluster/protocol.hpp"
#include "cluster/transport.hpp"

namespace kvstone {

/// All ranks of a world but 0. Outlives a list of items. Times are seconds since it was made.
class WorkerPool {
  public:
    explicit WorkerPool(Transport& transport);

    double now_s() const;

    struct Joined {};
    struct Lost {
        std::string why;
    };
    struct Event {
        int rank = 0;
        std::variant<Joined, Result, NotMade, Unreadable, Trouble, Lost> what;
    };
    /// What happens next, within the timeout. After Joined, Result and Unreadable the rank is idle; after NotMade it is one
    /// that is dealt nothing more.
    std::optional<Event> wait(double timeout_s);

    /// Sends an item; the rank is busy until it answers, due at deadline_s. Returns why it is lost where it is.
    std::optional<std::string> deal(int rank, WorkItem const& item, double deadline_s);
    /// An attempt that the rank reported is in the database: told with the next word to it.
    void note_stored(int rank, std::string const& attempt_id) { stored_[rank].push_back(attempt_id); }
    /// Asks every busy rank to end what it measures.
    void cancel();
    /// Takes a rank for lost that may yet speak: then it is welcome back.
    void mark_silent(int rank);

    /// Ranks that offered themselves and are not lost.
    std::map<int, WorkerInfo> const& workers() const { return workers_; }
    /// Idle ranks, the longest idle first, so that workers of one node take turns.
    std::deque<int> const& idle() const { return idle_; }
    /// Ranks that have not offered themselves yet.
    std::set<int> const& awaited() const { return awaited_; }
    /// Backends of every rank that ever offered itself.
    std::set<std::string> const& offered() const { return offered_; }
    /// Whether every rank of the world has offered itself at some time.
    bool complete() const { return complete_; }

    /// Tells all to stop, and which of their attempts are stored, and waits for their goodbyes: of a busy rank until its
    /// deadline, of the others for `patience`, of none after `latest`. Returns the ranks that kept silent.
    std::vector<int> dismiss(double patience_s, double latest_s);

  private:
    std::optional<Event> understand(Message const& message);
    void lose(int rank);

    Transport& transport_;
    double started_s_;
    std::map<int, WorkerInfo> known_;  ///< every rank that ever offered itself
    std::map<int, WorkerInfo> workers_;
    std::set<int> awaited_;
    std::deque<int> idle_;
    std::map<int, double> busy_;                      ///< deadline by rank
    std::set<int> gone_;                              ///< lost for good, or said goodbye
    std::map<int, std::vector<std::string>> stored_;  ///< attempt ids that the rank has not been told
    std::set<std::string> offered_;
    bool complete_ = true;
};

}  // namespace kvstone
