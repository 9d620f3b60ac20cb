#pragma once
// The ranks from rank 0's view: which have offered themselves, which are idle, which are gone.

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
    /// Waits for the next event, up to the timeout. After Joined, Result and Unreadable the rank is idle; after NotMade
    /// it is given no more items.
    std::optional<Event> wait(double timeout_s);

    /// Sends an item; the rank is busy until it answers, due at deadline_s. Returns the reason where the rank is lost.
    std::optional<std::string> deal(int rank, WorkItem const& item, double deadline_s);
    /// Notes that an attempt of the rank is in the database: the next message to the rank says so.
    void note_stored(int rank, std::string const& attempt_id) { stored_[rank].push_back(attempt_id); }
    /// Asks every busy rank to end its measurement.
    void cancel();
    /// Treats a silent rank as lost; if it speaks again, it is used again.
    void mark_silent(int rank);

    /// Ranks that offered themselves and are not lost.
    std::map<int, WorkerInfo> const& workers() const { return workers_; }
    /// Idle ranks, the longest idle first, so that workers of one node take turns.
    std::deque<int> const& idle() const { return idle_; }
    /// Ranks that have not offered themselves yet.
    std::set<int> const& awaited() const { return awaited_; }
    /// Backends of every rank that has ever offered itself.
    std::set<std::string> const& offered() const { return offered_; }
    /// Whether every rank of the world has offered itself at some time.
    bool complete() const { return complete_; }

    /// Tells all ranks to stop, and which of their attempts are stored, and waits for their goodbyes: for a busy rank
    /// until its deadline, for the others `patience_s` seconds, for none beyond `latest_s`. Returns the ranks that kept
    /// silent.
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
    std::map<int, std::vector<std::string>> stored_;  ///< stored attempts that the rank has not been told of
    std::set<std::string> offered_;
    bool complete_ = true;
};

}  // namespace kvstone
