#pragma once
// One client of mode `live`, and the entries that it leaves for verification.

#include <memory>
#include <utility>
#include <vector>

#include "backends/backend.hpp"
#include "backends/one_thread.hpp"
#include "harness/workloads/prefix_cache/coded_parts.hpp"
#include "harness/workloads/prefix_cache/live_replay.hpp"

namespace kvstone {

/// An entry that a request wrote or found.
struct LiveEntry {
    SharedBlock stored;
    std::size_t part = 0;                              ///< of its block
    std::shared_ptr<KvBlock const> written_from = {};  ///< null: the entry was found
};

class LiveClient {
  public:
    LiveClient(Codec const& codec, BlockSource& source, bool by_layer);

    /// Serves one request, from its turn to the last entry that it stores. All its blocks are filled or given up, also
    /// after an exception.
    void serve(SharedStore& store, std::uint64_t number, RequestTrace const& trace, TraceRequest const& request,
               BlockKey const& root, std::vector<std::uint64_t> const& next_uses);
    /// Seconds to compute all of a request.
    double compute_all_s(TraceRequest const& request) { return source_->compute_all_s(request); }

    /// The entries of requests since the last call.
    std::vector<LiveEntry> take_entries() { return std::exchange(entries_, {}); }
    /// Tokens found by request, in the order in which they were served.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> const& hit_tokens() const { return hit_tokens_; }
    LiveTimes const& times() const { return times_; }

    /// Decodes an entry. For a written one, adds its bytes and its distance from its tensor; for a found one, checks
    /// that it still decodes to the same values.
    void verify(LiveEntry const& entry, LiveResult& result);

  private:
    /// K or V.
    struct Side {
        Component component;
        CodedParts parts;
        Buffer decoded;
        ElementType type;
        KvView view() const { return {decoded.data(), type, parts.shape(), KvStrides::packed(parts.shape())}; }
    };

    /// False where another client failed before it filled one of them.
    bool load_found(ServedRequest const& served, std::uint64_t blocks);
    /// Fills the blocks to be written; `filled` counts them.
    void store_new(ServedRequest const& served, std::size_t& filled);
    std::size_t layers() const { return sides_.front().parts.count(); }

    OneThread one_thread_;
    std::unique_ptr<RequestSource> source_;
    BlockTokens tokens_;
    std::vector<Side> sides_;
    std::vector<LiveEntry> entries_;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> hit_tokens_;
    LiveTimes times_;
};

}  // namespace kvstone
