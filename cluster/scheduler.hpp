#pragma once
// Decides which item goes to which worker, and when. It has no threads, no messages and no clock of its own: the
// coordinator drives it in real time, a simulation in simulated time.

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/protocol.hpp"
#include "cluster/work_queue.hpp"

namespace kvstone {

/// The item that a worker holds until it reports, or until the deadline passes.
struct Lease {
    std::size_t item = 0;  ///< index into the items
    std::string attempt_id;
    double deadline_s = 0;               ///< infinite where the item has no time limit
    std::vector<Measurement> made = {};  ///< of a block: measurements of its earlier calls
};

/// Times are seconds on the driver's clock. Items are dealt roughly longest first, each near the node that has its
/// capture (see WorkQueue). An item that is pinned to a host waits for a worker of that host, and goes first there: no
/// other host can take it. Blocks are dealt in the order of the items, which may be a random one that must stay.
class Scheduler {
  public:
    /// A lease lasts for the item's own time limit plus lease_slack_s.
    Scheduler(std::vector<WorkItem> items, double lease_slack_s);

    /// Adds a worker that may be given items; one that has joined already stays unchanged.
    void join(int worker, WorkerInfo const& info);
    /// The next item for an idle worker, leased to it under a new attempt id; null where none may start there now.
    /// A timing item starts on a node where nothing runs, and nothing starts beside it.
    WorkItem const* deal(int worker, double now_s);
    /// Keeps the measurement of a call of the worker's block, and leases the next call to it under a new attempt id,
    /// for as long again. Null where it was the last call, or no call of a block, or where the worker holds nothing of
    /// that attempt id.
    WorkItem const* next_call(int worker, Measurement const& made, double now_s);
    /// Ends the lease under which the worker made this attempt. Null where no lease has that id: the result came late.
    WorkItem const* finish(int worker, std::string const& attempt_id);

    enum class Fate { requeued, given_up };
    struct Lost {
        WorkItem const* item = nullptr;  ///< null where the worker held nothing
        Fate fate = Fate::requeued;
        std::size_t index = 0;  ///< of the item
    };
    /// Removes a worker. Its item is queued again if it was not lost before, and if another worker can run it or may
    /// yet come.
    Lost lose(int worker, bool others_may_come = false);
    /// Removes a worker that ends in order: its item was not made, and is queued again without a loss.
    void leave(int worker);
    /// Workers whose lease has run out.
    std::vector<int> expired(double now_s) const;
    /// The nearest deadline of all leases; infinite where none has one.
    double next_deadline_s() const;

    /// To be called once every rank has offered itself or is lost. Items of hosts without a worker for them may run on
    /// any host; items that no worker can run are taken out, and returned in plan order.
    std::vector<WorkItem> take_unserved();
    /// Takes out every queued item.
    std::vector<WorkItem> take_queued();
    /// Takes out every queued or leased item: the items left at the end of a run.
    std::vector<WorkItem> take_rest();

    std::size_t queued() const { return queue_.size(); }
    std::map<int, Lease> const& leases() const { return leases_; }
    WorkItem const& item(Lease const& lease) const { return items_[lease.item]; }

  private:
    struct Node {
        int running = 0;
        bool timing = false;              ///< the one that runs is a timing item
        std::vector<std::size_t> places;  ///< places in the queue whose captures the node has, the latest last
    };
    struct Worker {
        std::string node;
        std::string host;
        std::set<std::string> backends;
    };

    void enqueue(std::size_t item);
    WorkItem const* lease(int worker, std::size_t item, std::vector<Measurement> made, double now_s);
    void end_lease(std::map<int, Lease>::iterator lease, Worker const& worker);
    std::optional<std::size_t> take_out(int worker);
    void count_offers(Worker const& worker, int by);
    bool served(std::string const& backend, std::string const& host = {}) const;
    std::vector<std::size_t> take_queued_indices();
    std::vector<WorkItem> items_at(std::vector<std::size_t> indices) const;

    std::vector<WorkItem> items_;
    std::vector<std::size_t> places_;  ///< by item
    WorkQueue queue_;
    std::map<int, Worker> workers_;
    std::map<std::pair<std::string, std::string>, int> offers_;  ///< workers by backend and host, and by backend and ""
    bool offers_changed_ = true;                                 ///< since take_unserved() looked at them
    std::map<std::string, Node> nodes_;
    std::map<int, Lease> leases_;                 ///< by worker
    std::set<std::pair<double, int>> deadlines_;  ///< and worker, of leases that have one
    double lease_slack_s_;
};

/// 32 random hexadecimal digits.
std::string new_attempt_id();

}  // namespace kvstone
