#pragma once
// Caches as in their papers, on lists that are searched from end to end: references for the fast ones.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace kvstone::slow {

using Block = std::uint64_t;
using Blocks = std::list<Block>;  ///< the oldest first
using Pinned = std::set<Block>;

inline bool has(Blocks const& list, Block block) { return std::ranges::find(list, block) != list.end(); }
inline std::optional<Block> take_oldest(Blocks& list, Pinned const& pinned) {
    for (auto at = list.begin(); at != list.end(); ++at) {
        if (pinned.contains(*at)) continue;
        auto const block = *at;
        list.erase(at);
        return block;
    }
    return std::nullopt;
}

struct Cache {
    explicit Cache(std::size_t room) : capacity(room) {}
    virtual ~Cache() = default;
    virtual bool holds(Block block) const = 0;
    virtual void use(Block block) = 0;
    /// REQUIRES: at least one block that is not pinned.
    virtual void enter(Block block, Pinned const& pinned) = 0;
    std::size_t capacity;
};

struct Lru : Cache {
    using Cache::Cache;
    bool holds(Block block) const override { return has(list, block); }
    void use(Block block) override {
        list.remove(block);
        list.push_back(block);
    }
    void enter(Block block, Pinned const& pinned) override {
        if (list.size() == capacity) take_oldest(list, pinned);
        list.push_back(block);
    }
    Blocks list;
};

struct Fifo : Lru {
    using Lru::Lru;
    void use(Block /*block*/) override {}
};

struct Lfu : Cache {
    using Cache::Cache;
    struct Uses {
        int count = 0;
        int last = 0;
    };
    bool holds(Block block) const override { return uses.contains(block); }
    void use(Block block) override { uses[block] = {uses[block].count + 1, ++now}; }
    void enter(Block block, Pinned const& pinned) override {
        if (uses.size() == capacity) {
            auto victim = uses.end();
            for (auto at = uses.begin(); at != uses.end(); ++at) {
                if (pinned.contains(at->first)) continue;
                if (victim == uses.end() ||
                    std::pair(at->second.count, at->second.last) < std::pair(victim->second.count, victim->second.last))
                    victim = at;
            }
            uses.erase(victim);
        }
        use(block);
    }
    std::map<Block, Uses> uses;
    int now = 0;
};

struct S3Fifo : Cache {
    using Cache::Cache;
    bool holds(Block block) const override { return has(small, block) || has(main, block); }
    void use(Block block) override { uses[block] = std::min(uses[block] + 1, 3); }
    bool evict_small(Pinned const& pinned) {
        while (auto const block = take_oldest(small, pinned)) {
            if (uses[*block] < 2) {
                ghosts.push_back(*block);
                if (ghosts.size() > capacity - capacity / 10) ghosts.pop_front();
                return true;
            }
            uses[*block] = 0;
            main.push_back(*block);
        }
        return false;
    }
    bool evict_main(Pinned const& pinned) {
        while (auto const block = take_oldest(main, pinned)) {
            if (uses[*block] == 0) return true;
            --uses[*block];
            main.push_back(*block);
        }
        return false;
    }
    void enter(Block block, Pinned const& pinned) override {
        bool const again = has(ghosts, block);
        ghosts.remove(block);
        if (small.size() + main.size() == capacity) {
            bool const from_main = main.size() > capacity - capacity / 10 || small.empty();
            if (from_main || !evict_small(pinned))
                if (!evict_main(pinned)) evict_any_small(pinned);
        }
        uses[block] = 0;
        (again ? main : small).push_back(block);
    }
    void evict_any_small(Pinned const& pinned) {
        ghosts.push_back(*take_oldest(small, pinned));
        if (ghosts.size() > capacity - capacity / 10) ghosts.pop_front();
    }
    Blocks small, main, ghosts;
    std::map<Block, int> uses;
};

/// The paper's figure 4, case by case.
struct Arc : Cache {
    using Cache::Cache;
    bool holds(Block block) const override { return has(t1, block) || has(t2, block); }
    void use(Block block) override {
        t1.remove(block);
        t2.remove(block);
        t2.push_back(block);
    }
    void replace(bool in_b2, Pinned const& pinned) {
        bool const first = !t1.empty() && ((in_b2 && t1.size() == p) || t1.size() > p);
        auto& from = first ? t1 : t2;
        auto& ghosts = first ? b1 : b2;
        if (auto const block = take_oldest(from, pinned)) return ghosts.push_back(*block);
        (first ? b2 : b1).push_back(*take_oldest(first ? t2 : t1, pinned));
    }
    void enter(Block block, Pinned const& pinned) override {
        auto const c = capacity;
        if (has(b1, block)) {
            p = std::min(c, p + std::max<std::size_t>(1, b2.size() / b1.size()));
            b1.remove(block);
            replace(false, pinned);
            return t2.push_back(block);
        }
        if (has(b2, block)) {
            auto const less = std::max<std::size_t>(1, b1.size() / b2.size());
            p = p > less ? p - less : 0;
            b2.remove(block);
            replace(true, pinned);
            return t2.push_back(block);
        }
        auto const l1 = t1.size() + b1.size();
        auto const all = l1 + t2.size() + b2.size();
        if (l1 == c) {
            if (t1.size() < c) {
                b1.pop_front();
                replace(false, pinned);
            } else {
                take_oldest(t1, pinned);
            }
        } else if (all >= c) {
            if (all == 2 * c) b2.pop_front();
            replace(false, pinned);
        }
        t1.push_back(block);
    }
    Blocks t1, t2, b1, b2;
    std::size_t p = 0;
};

struct TwoQueues : Cache {
    using Cache::Cache;
    bool holds(Block block) const override { return has(in, block) || has(often, block); }
    void use(Block block) override {
        if (!has(often, block)) return;
        often.remove(block);
        often.push_back(block);
    }
    bool page_out(Pinned const& pinned) {
        auto const block = take_oldest(in, pinned);
        if (!block) return false;
        out.push_back(*block);
        if (out.size() > capacity / 2) out.pop_front();
        return true;
    }
    void enter(Block block, Pinned const& pinned) override {
        bool const again = has(out, block);
        out.remove(block);
        if (in.size() + often.size() == capacity) {
            bool const done = in.size() > capacity / 4 && page_out(pinned);
            if (!done && !take_oldest(often, pinned)) page_out(pinned);
        }
        (again ? often : in).push_back(block);
    }
    Blocks in, out, often;
};

/// At each use looks through all that is still to come for the next one.
struct Belady : Cache {
    Belady(std::size_t room, std::vector<Block> all) : Cache(room), future(std::move(all)) {}
    bool holds(Block block) const override { return next.contains(block); }
    void use(Block block) override {
        next[block] = std::find(future.begin() + passed, future.end(), block) - future.begin();
    }
    void enter(Block block, Pinned const& pinned) override {
        if (next.size() == capacity) {
            std::optional<Block> victim;
            for (auto const& [one, use] : next)
                if (!pinned.contains(one) && (!victim || use > next[*victim])) victim = one;
            next.erase(*victim);
        }
        use(block);
    }
    std::vector<Block> future;
    std::ptrdiff_t passed = 0;  ///< everything before has been asked for
    std::map<Block, std::ptrdiff_t> next;
};

inline std::unique_ptr<Cache> make(std::string const& name, std::size_t capacity, std::vector<Block> const& all) {
    if (name == "lru") return std::make_unique<Lru>(capacity);
    if (name == "fifo") return std::make_unique<Fifo>(capacity);
    if (name == "lfu") return std::make_unique<Lfu>(capacity);
    if (name == "s3fifo") return std::make_unique<S3Fifo>(capacity);
    if (name == "arc") return std::make_unique<Arc>(capacity);
    if (name == "2q") return std::make_unique<TwoQueues>(capacity);
    return std::make_unique<Belady>(capacity, all);
}

/// Hits of each request: matched from the head on, then committed with the matched blocks pinned.
inline std::vector<std::uint64_t> hits(std::string const& policy, std::size_t capacity,
                                       std::vector<std::vector<Block>> const& requests, bool deepest_first) {
    std::vector<Block> all;
    for (auto const& request : requests) all.insert(all.end(), request.begin(), request.end());
    auto const cache = make(policy, capacity, all);
    std::vector<std::uint64_t> found;
    for (auto const& request : requests) {
        std::size_t matched = 0;
        while (matched < request.size() && cache->holds(request[matched])) ++matched;
        found.push_back(matched);
        if (auto* const belady = dynamic_cast<Belady*>(cache.get())) belady->passed += std::ssize(request);
        Pinned const pinned(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(matched));
        std::vector<Block> order(request.rbegin(), request.rend());
        if (!deepest_first) {
            order.assign(request.rend() - static_cast<std::ptrdiff_t>(matched), request.rend());
            order.insert(order.end(), request.begin() + static_cast<std::ptrdiff_t>(matched), request.end());
        }
        for (auto const block : order)
            if (cache->holds(block))
                cache->use(block);
            else
                cache->enter(block, pinned);
    }
    return found;
}

}  // namespace kvstone::slow
