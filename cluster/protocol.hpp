#pragma once
// Messages between ranks, as JSON: one object a message, told apart by its "type".
//
//   worker to coordinator    {"type":"hello","version":1,"worker":{...}}
//                            {"type":"result","measurement":{...}}
//                            {"type":"not_made","attempt_id":"..."} an interruption ended it, or kept it from beginning;
//                                                                   the worker takes no further item
//                            {"type":"unreadable","reason":"..."}   a message that the worker could not read
//                            {"type":"trouble","reason":"..."}      its spool fails: nothing more is safe there
//                            {"type":"goodbye"}                     the answer to stop; the last word of a worker
//   coordinator to worker    {"type":"deal","item":{"attempt_id","campaign","cell","measure","process"[,"call"]},
//                             "stored":["ATTEMPT",...]}
//                            {"type":"cancel"}                      end the attempt under way, now
//                            {"type":"stop","stored":["ATTEMPT",...]}
//
// "stored" names attempts that the worker reported and that have come into the database since the last message to it. A
// worker has at most one item; it answers each deal with one result, not_made or unreadable.

#include <string>
#include <variant>
#include <vector>

#include "results/record/measurement.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// One attempt that is to be made.
struct WorkItem {
    Cell cell;
    Measure measure;
    int process = 0;              ///< index among measure.processes
    std::string attempt_id = {};  ///< 32 hexadecimal digits, made when it is dealt; empty before
    std::string campaign = {};    ///< Campaign::id
    Json call = nullptr;          ///< the call of another program that makes the attempt; null: this program makes it

    // For the dealing alone: none of these is sent.
    int losses = 0;                ///< how often a worker was lost with this item, in earlier runs of the campaign
    bool suspected = false;        ///< it was under way when an earlier run died as a whole: dealt after the others
    double estimated_s = 0;        ///< its estimated cost for a worker; 0: not known
    std::string pinned_host = {};  ///< name of the host that should measure it; empty: any
    /// A block: one worker makes these calls, one after the other, each dealt as `call`. Where it is lost, all are made
    /// anew. They start other programs, so the worker need not have the cell's backend. Empty: the item is one attempt.
    std::vector<Json> calls = {};
};

/// A worker's description of itself.
struct WorkerInfo {
    std::string node;                   ///< node_name()
    std::string hardware_class;         ///< only timings of one class are compared
    std::vector<std::string> backends;  ///< "openmp", "cuda", "arm"
    Json host;                          ///< facts of the host, for the rows
};

struct Hello {
    WorkerInfo worker;
};
struct Deal {
    WorkItem item;
    std::vector<std::string> stored = {};  ///< attempt ids
};
struct Cancel {};
struct Result {
    Measurement measurement;
};
struct NotMade {
    std::string attempt_id;
};
struct Unreadable {
    std::string reason;
};
struct Trouble {
    std::string reason;
};
struct Stop {
    std::vector<std::string> stored = {};  ///< attempt ids
};
struct Goodbye {};
using ClusterMessage = std::variant<Hello, Deal, Cancel, Result, NotMade, Unreadable, Trouble, Stop, Goodbye>;

/// Bytes that are not UTF-8 (a child's standard error may hold any) become U+FFFD.
std::string encode_message(ClusterMessage const& message);
/// Throws CorruptData where the text is no such message; its reason starts with the text.
ClusterMessage decode_message(std::string const& body);

}  // namespace kvstone
