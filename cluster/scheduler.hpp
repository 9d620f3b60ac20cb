#pragma once
// Which item goes to which worker, and when: no threads, no messages and no clock of its own, so that the coordinator
// drives it with real time and a simulation with its own.

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

/// What a worker holds until it reports, or until the deadline passes.
struct Lease {
    std::size_t item = 0;  ///< index into the items
    std::string attempt_id;
    double deadline_s = 0;               ///< infinite where the item has no time limit
    std::vector<Measurement> made = {};  ///< of a block: what its earlier calls brought
};

/// Times are seconds on the driver's clock. Deals about longest first, near to what a node has captured (see WorkQueue).
/// An item that is pinned to a host waits for a worker of that host, and has precedence there: nobody else can take it.
/// Blocks go in the order of the items: whoever put them into a random one needs it.
class Scheduler {
  public:
    /// A lease lasts for the item's own time limit plus lease_slack_s.
    Scheduler(std::vector<WorkItem> items, double lease_slack_s);

    /// A worker that may be dealt to; one that has joined already stays as it is.
    void join(int worker, WorkerInfo const& info);
    /// The next item for an idle worker, leased to it under a new attempt id; null where none may start there now.
    /// A timing item starts on a node where nothing runs, and nothing starts beside it.
    WorkItem const* deal(int worker, double now_s);
    /// Keeps what a call of the worker's block brought, and leases the next one to it under a new attempt id, for as long
    /// again. Null where it was the last one, or no block's, or where the worker holds nothing of that attempt id.
    WorkItem const* next_call(int worker, Measurement const& made, double now_s);
    /// Ends the lease under which the worker made this attempt. Null where it holds none of that id: a late result.
    WorkItem const* finish(int worker, std::string const& attempt_id);

    enum class Fate { requeued, given_up };
    struct Lost {
        WorkItem const* item = nullptr;  ///< null where the worker held nothing
        Fate fate = Fate::requeued;
        std::size_t index = 0;  ///< of the item
    };
    /// Takes a worker out. What it held is queued again if it was not lost before, and another worker can run it or may
    /// yet come.
    Lost lose(int worker, bool others_may_come = false);
    /// Takes a worker out that ends in order: what it held was not made, and is queued again without a loss.
    void leave(int worker);
    /// Workers whose lease has run out.
    std::vector<int> expired(double now_s) const;
    /// The nearest deadline of all leases; infinite where none has one.
    double next_deadline_s() const;

    /// To be called once every rank has spoken: where nobody on an item's host can run it, any host may; where nobody at
    /// all can, the item is taken out. Those come in plan order.
    std::vector<WorkItem> take_unserved();
    /// Takes out whatever is queued.
    std::vector<WorkItem> take_queued();
    /// Takes out whatever is queued or leased: what a run leaves behind.
    std::vector<WorkItem> take_rest();

    std::size_t queued() const { return queue_.size(); }
    std::map<int, Lease> const& leases() const { return leases_; }
    WorkItem const& item(Lease const& lease) const { return items_[lease.item]; }

  private:
    struct Node {
        int running = 0;
        bool timing = false;              ///< the one that runs is a timing item
        std::vector<std::size_t> places;  ///< of the queue: what it has captured, the latest last
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
    bool offers_changed_ = true;                                 ///< since items without a worker were looked for
    std::map<std::string, Node> nodes_;
    std::map<int, Lease> leases_;                 ///< by worker
    std::set<std::pair<double, int>> deadlines_;  ///< and worker, of leases that have one
    double lease_slack_s_;
};

/// 32 random hexadecimal digits.
std::string new_attempt_id();

}  // namespace kvstone
