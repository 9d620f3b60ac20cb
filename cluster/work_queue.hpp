#pragma once
// Queued items in the order in which a node should take them: roughly longest first, and near the node that has their
// capture.

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace kvstone {

/// Requirements of items for their worker.
struct Need {
    std::string backend;
    bool timing = true;     ///< its node to itself
    std::string host = {};  ///< empty: any
    auto operator<=>(Need const&) const = default;
};

/// Longest first keeps the end of a run short, but estimates are rarely better than a factor of two, and a capture that
/// a second node has to make costs more than a slightly wrong order. So costs are compared by octave (the power of two
/// below them): a worker takes from the highest octave that has an item for it. Within the octave it prefers a place at
/// which its node has worked (the last one first), then the place that the fewest nodes have, and there the longest
/// item. A place is a source at a context: a node makes its capture once. Equal items go in the order of their numbers,
/// equal places in that of their first items. Each call takes time logarithmic in the items and linear in the needs;
/// where the node's last places have no items, also linear in its places.
class WorkQueue {
  public:
    /// The number of a place, new or known.
    std::size_t place(std::string const& source_and_context);
    /// Queues an item that is not in the queue. An estimate of 0 means that there is none, and comes after all others;
    /// an estimate below 0 comes last.
    void add(std::size_t item, double estimated_s, Need const& need, std::size_t place);
    /// Takes out the next item for a node that meets these needs. `places` are those that the node has, the last one
    /// latest; the item's place is added.
    std::optional<std::size_t> take(std::vector<Need> const& needs, std::vector<std::size_t>& places);
    /// Takes out every item of a need, in the order of their numbers.
    std::vector<std::size_t> take_all(Need const& need);
    /// Needs of queued items.
    std::vector<Need> needs() const;

    std::size_t size() const { return size_; }

  private:
    /// Items by minus the estimate, then by number: the first is the longest.
    using Line = std::set<std::pair<double, std::size_t>>;
    /// The items of one need.
    struct Shelf {
        std::map<std::size_t, Line> lines;  ///< by place; none is empty
        /// By octave, highest first: the places whose longest item is in it, ordered by how many nodes have them.
        std::map<int, std::set<std::pair<int, std::size_t>>, std::greater<>> octaves;
    };
    struct Place {
        int nodes = 0;                ///< number of nodes that took an item from it
        std::vector<Shelf*> shelves;  ///< shelves that had items of it
    };

    void show(Shelf& shelf, std::size_t place);
    void hide(Shelf& shelf, std::size_t place);
    std::size_t take_longest(Shelf& shelf, std::size_t place);
    std::pair<Shelf*, std::size_t> choose(std::vector<Need> const& needs, std::vector<std::size_t>& places);
    void note_node_at(std::size_t place);

    std::map<std::string, std::size_t> place_numbers_;
    std::vector<Place> places_;
    std::map<Need, Shelf> shelves_;  ///< nodes of a map stay where they are
    std::size_t size_ = 0;
};

}  // namespace kvstone
