#pragma once
// Which rule takes which tokens of one layer and head.

#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "codecs/codec.hpp"
#include "codecs/pipeline/pipeline.hpp"

namespace kvstone {

/// Consecutive tokens [first, end) that belong to one rule.
struct TokenRun {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::size_t rule = 0;           ///< index into Codec::rules()
    std::uint64_t page_tokens = 0;  ///< of the rule's pipeline
    bool operator==(TokenRun const&) const = default;
};

/// The rules of a codec for one layer and head of a component.
class TokenRules {
  public:
    /// `place` names component, type, layer, head and dim; `layers` is the number of layers of the tensor.
    TokenRules(std::vector<Rule> const& rules, std::vector<Pipeline> const& pipelines, Section const& place,
               std::uint64_t layers);

    /// The runs of `tokens` tokens, from the first one on. A window takes the last w tokens, and the tokens before them
    /// that the rule before it cannot code in whole pages: the window's start is rounded down to a multiple of that
    /// rule's page_tokens, counted from the start of that rule's run (KIVI's residual: groups are flushed when full).
    /// Rules with page_tokens 0 or 1 need no rounding.
    std::vector<TokenRun> runs(std::uint64_t tokens) const;
    /// The runs of a tensor that grows without end, behind every window. A token belongs to its run as soon as
    /// window_tokens() more tokens follow it, as far as the run has whole pages. The last run has no end.
    std::vector<TokenRun> lasting_runs() const;
    static constexpr std::uint64_t no_end = std::numeric_limits<std::uint64_t>::max();
    /// The largest window.
    std::uint64_t window_tokens() const { return windows_.empty() ? 0 : windows_.front(); }

  private:
    /// The parts of a rule's selector that concern tokens, for this layer and head.
    struct Taker {
        std::size_t rule;
        std::optional<std::uint32_t> sink;
        std::optional<std::uint32_t> window;
        std::uint64_t page_tokens;
    };
    /// Where the largest windows start, in the order of windows_.
    using Starts = std::vector<std::uint64_t>;

    Taker const& taker_of(std::uint64_t token, Starts const& starts) const;
    std::uint64_t run_start(std::uint64_t token, Starts const& starts) const;
    std::vector<TokenRun> runs_between(Starts const& starts, std::uint64_t tokens) const;

    std::vector<Taker> takers_;           ///< a token belongs to the first one that takes it; the last one takes all
    std::vector<std::uint64_t> windows_;  ///< each width once, the largest first
    std::vector<std::uint64_t> sinks_;
};

}  // namespace kvstone
