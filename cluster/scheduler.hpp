#pragma once
// Which item goes to which worker, and when: no threads, no messages and no clock of its own, so that the coordinator
// drives it with real time and a simulation with its own.

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cluster/protocol.hpp"

namespace kvstone {

/// What a worker holds until it reports, or until the deadline passes.
struct Lease {
    std::size_t item = 0;  ///< index into the items
    std::string attempt_id;
    double deadline_s = 0;  ///< infinite where the item has no time limit
};

/// Times are seconds on the driver's clock. Deals in plan order, except that a worker stays with one source (and
/// context) while it has items, and another worker starts on a source that fewer hold: captures are cached by node.
class Scheduler {
  public:
    /// A lease lasts for the item's own time limit plus lease_slack_s.
    Scheduler(std::vector<WorkItem> items, double lease_slack_s);

    /// A worker that may be dealt to; one that has joined already stays as it is.
    void join(int worker, WorkerInfo const& info);
    /// The next item for an idle worker, leased to it under a new attempt id; null where none may start there now.
    /// A timing item starts on a node where nothing runs, and nothing starts beside it.
    WorkItem const* deal(int worker, double now_s);
    /// Ends the lease under which the worker made this attempt. Null where it holds none of that id: a late result.
    WorkItem const* finish(int worker, std::string const& attempt_id);

    enum class Fate { requeued, given_up };
    struct Lost {
        WorkItem const* item = nullptr;  ///< null where the worker held nothing
        Fate fate = Fate::requeued;
    };
    /// Takes a worker out. What it held is queued again if another worker can run it and it was not lost before.
    Lost lose(int worker);
    /// Workers whose lease has run out.
    std::vector<int> expired(double now_s) const;
    /// The nearest deadline of all leases; infinite where none has one.
    double next_deadline_s() const;

    /// Takes out the queued items that no present worker can run, in plan order.
    std::vector<WorkItem> take_unserved();
    /// Takes out whatever is queued or leased: what a run leaves behind.
    std::vector<WorkItem> take_rest();

    std::size_t queued() const { return queued_; }
    std::map<int, Lease> const& leases() const { return leases_; }

  private:
    /// Items that one worker is glad to run one after another.
    struct Group {
        std::string backend;
        bool timing = true;
        std::string source;
        std::deque<std::size_t> queue;
        int holders = 0;  ///< workers whose current group this is
    };
    struct Node {
        int running = 0;
        bool timing = false;  ///< the one that runs is a timing item
        std::string source;   ///< of the last item dealt there
    };
    struct Worker {
        std::string node;
        std::set<std::string> backends;
        std::ptrdiff_t group = -1;  ///< current; -1: none
    };

    void enqueue(std::size_t item);
    void release(Lease const& lease, Worker const& worker);
    bool may_start(Group const& group, Worker const& worker) const;
    bool served(std::string const& backend) const;
    std::ptrdiff_t choose_group(Worker const& worker) const;
    void hold(Worker& worker, std::ptrdiff_t group);

    std::vector<WorkItem> items_;
    std::vector<std::size_t> group_of_;  ///< by item
    std::vector<Group> groups_;
    std::set<std::size_t> open_;  ///< groups with a queue
    std::map<int, Worker> workers_;
    std::map<std::string, Node> nodes_;
    std::map<int, Lease> leases_;  ///< by worker
    std::size_t queued_ = 0;
    double lease_slack_s_;
};

/// 32 random hexadecimal digits.
std::string new_attempt_id();

}  // namespace kvstone
