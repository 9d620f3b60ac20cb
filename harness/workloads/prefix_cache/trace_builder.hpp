#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/cache/flat_index.hpp"
#include "harness/workloads/prefix_cache/request_trace.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

/// Adds requests to a trace and numbers their blocks.
template <class Key>
class TraceBuilder {
  public:
    explicit TraceBuilder(std::uint64_t block_tokens) { trace_.block_tokens = block_tokens; }

    /// Throws ConfigError, without a place, where the request breaks a promise of RequestTrace.
    void add(std::int64_t time_ns, std::uint64_t tokens, std::span<Key const> keys) {
        auto const full = tokens / trace_.block_tokens;
        if (tokens == 0) throw ConfigError("a request without tokens");
        if (keys.size() < full || keys.size() > full + (tokens % trace_.block_tokens != 0))
            throw ConfigError("not as many blocks as the tokens fill", std::to_string(keys.size()),
                              {std::to_string(full)});
        if (!trace_.requests.empty() && time_ns < trace_.requests.back().time_ns)
            throw ConfigError("a request that came before the one above it");
        TraceRequest const request{time_ns, tokens, trace_.blocks.size(), keys.size()};
        auto parent = no_slot;
        std::uint64_t known_blocks = 0;
        for (std::size_t i = 0; i < keys.size(); ++i) {
            auto const [block, known] = index_.find_or_add(keys[i]);
            if (!known)
                parents_.push_back({parent, i});
            else if (parents_[block] != Parent{parent, i})
                throw ConfigError("a block that had another place, or stood behind other blocks, before",
                                  std::to_string(i));
            trace_.blocks.push_back(block);
            parent = block;
            known_blocks += known ? 1 : 0;
        }
        // The parents of known blocks are known, too: known blocks come first.
        trace_.repeated_tokens += std::min(known_blocks * trace_.block_tokens, tokens);
        trace_.requests.push_back(request);
    }
    RequestTrace take() {
        trace_.distinct = index_.size();
        return std::move(trace_);
    }
    std::uint64_t requests() const { return trace_.requests.size(); }

  private:
    struct Parent {
        Slot block = no_slot;
        std::size_t place = 0;
        bool operator==(Parent const&) const = default;
    };

    RequestTrace trace_;
    FlatIndex<Key> index_;
    std::vector<Parent> parents_;
};

}  // namespace kvstone
