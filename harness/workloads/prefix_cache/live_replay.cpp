#include "harness/workloads/prefix_cache/live_replay.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <unordered_set>

#include "harness/cache/clients.hpp"
#include "harness/workloads/prefix_cache/live_client.hpp"

namespace kvstone {
namespace {

using Requests = std::span<TraceRequest const>;

std::uint64_t block_bytes(BlockSource const& source) {
    return (source.shape(Component::k).values() + source.shape(Component::v).values()) * element_bytes(source.type());
}

struct Window {
    Requests requests;
    std::uint64_t blocks = 0;  ///< different ones
};

/// The first requests whose different blocks take no more than a window; one at least.
Window first_window(RequestTrace const& trace, Requests requests, std::uint64_t bytes_of_block) {
    auto const most = window_bytes / bytes_of_block;
    std::unordered_set<std::uint64_t> blocks;
    std::size_t count = 0;
    while (count < requests.size()) {
        auto const of_request = trace.blocks_of(requests[count]);
        if (count > 0 && blocks.size() + of_request.size() > most) break;
        blocks.insert(of_request.begin(), of_request.end());
        ++count;
    }
    return {requests.first(count), blocks.size()};
}

class Replay {
  public:
    Replay(RequestTrace const& trace, LiveRules const& rules, Codec const& codec, BlockKey const& root,
           BlockSource& source)
        : trace_(&trace), rules_(&rules), root_(root), source_(&source), store_(rules.store) {
        for (std::uint64_t i = 0; i < rules.threads; ++i)
            clients_.push_back(std::make_unique<LiveClient>(codec, source, rules.by_layer));
        auto const layers = rules.by_layer ? source.shape(Component::k).layers : 1;
        if (rules.store.policy == "belady")
            next_uses_ = kvstone::next_uses(layers == 1 ? trace : with_layers(trace, layers));
    }

    LiveResult run() {
        auto const of_block = block_bytes(*source_);
        for (Requests left(trace_->requests); !left.empty();) {
            auto const window = first_window(*trace_, left, of_block).requests;
            source_->prepare(window);
            work(window);
            verify();
            if (rules_->timed && source_->computes())
                for (auto const& request : window) result_.times.without += clients_[0]->compute_all_s(request);
            left = left.subspan(window.size());
        }
        std::vector<std::uint64_t> hit_tokens(trace_->requests.size());
        for (auto const& client : clients_) {
            for (auto const& [number, tokens] : client->hit_tokens()) hit_tokens[number] = tokens;
            if (rules_->timed) result_.times += client->times();
        }
        if (!rules_->timed) result_.times = {};
        result_.replayed = replay_result(*trace_, std::move(hit_tokens), store_.counters(), store_.entries());
        result_.held_bytes = store_.held_bytes();
        result_.evicted_bytes = store_.evicted_bytes();
        result_.expired_bytes = store_.expired_bytes();
        return std::move(result_);
    }

  private:
    void work(Requests window) {
        auto const first = static_cast<std::uint64_t>(window.data() - trace_->requests.data());
        auto const start = std::chrono::steady_clock::now();
        run_clients(
            clients_.size(), first, first + window.size(),
            [&](std::size_t client, std::uint64_t number) {
                clients_[client]->serve(store_, number, *trace_, trace_->requests[number], root_, next_uses_);
            },
            [&] { store_.throw_away(); });
        result_.times.all += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }

    /// Verifies written entries first: found ones are compared with them. Each entry once.
    void verify() {
        std::vector<LiveEntry> entries;
        for (auto const& client : clients_)
            for (auto& entry : client->take_entries()) entries.push_back(std::move(entry));
        for (auto const& entry : entries)
            if (entry.written_from) clients_[0]->verify(entry, result_);
        std::set<StoredBlock const*> seen;
        for (auto const& entry : entries)
            if (!entry.written_from && seen.insert(entry.stored.get()).second) clients_[0]->verify(entry, result_);
    }

    RequestTrace const* trace_;
    LiveRules const* rules_;
    BlockKey root_;
    BlockSource* source_;
    SharedStore store_;
    std::vector<std::unique_ptr<LiveClient>> clients_;
    std::vector<std::uint64_t> next_uses_;
    LiveResult result_;
};

}  // namespace

LiveTimes& LiveTimes::operator+=(LiveTimes const& other) {
    hashing += other.hashing;
    looking_up += other.looking_up;
    loading += other.loading;
    computing += other.computing;
    storing += other.storing;
    all += other.all;
    without += other.without;
    loaded_blocks += other.loaded_blocks;
    encoded_blocks += other.encoded_blocks;
    return *this;
}

std::uint64_t live_memory_bytes(RequestTrace const& trace, LiveRules const& rules, EntryCost const& cost,
                                BlockSource const& source) {
    auto const of_block = block_bytes(source);
    std::uint64_t largest_window = 0;
    for (Requests left(trace.requests); !left.empty();) {
        auto const window = first_window(trace, left, of_block);
        largest_window = std::max(largest_window, window.blocks);
        left = left.subspan(window.requests.size());
    }
    auto const entries = std::min(rules.store.capacity, trace.distinct * cost.entries);
    // Entries that leave the store within a window are held until they are verified; each client has a block decoded
    // and one coded.
    return entries * cost.entry_bytes() + largest_window * (of_block + cost.stored_bytes) +
           rules.threads * 3 * of_block + source.memory_bytes(rules.threads);
}

EntryCost measured_cost(EntryCost cost, LiveTimes const& times) {
    auto const each = [](double seconds, std::uint64_t blocks) {
        return blocks == 0 ? 0 : seconds / static_cast<double>(blocks);
    };
    cost.encode_s = each(times.storing, times.encoded_blocks);
    cost.decode_s = each(times.loading, times.loaded_blocks);
    return cost;
}

LiveResult replay_live(RequestTrace const& trace, LiveRules const& rules, Codec const& codec, BlockKey const& root,
                       BlockSource& source) {
    return Replay(trace, rules, codec, root, source).run();
}

}  // namespace kvstone
