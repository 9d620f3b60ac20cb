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

/// Consecutive tokens [first, end) that fall to one rule.
struct TokenRun {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::size_t rule = 0;           ///< index into Codec::rules()
    std::uint64_t page_tokens = 0;  ///< of the rule's pipeline
    bool operator==(TokenRun const&) const = default;
};

/// The rules as one layer and head of a component meets them.
class TokenRules {
  public:
    /// `place` names component, type, layer, head and dim; `layers` is how many the tensor has.
    TokenRules(std::vector<Rule> const& rules, std::vector<Pipeline> const& pipelines, Section const& place,
               std::uint64_t layers);

    /// The runs of `tokens` tokens, from the first one on. A window takes the last w tokens and as many before them as
    /// the rule before it needs to keep whole pages: its start is rounded down so that the run that would go on there
    /// without it has a multiple of that rule's page_tokens (KIVI's residual: groups are flushed when full). Rules with
    /// page_tokens 0 or 1 need none.
    std::vector<TokenRun> runs(std::uint64_t tokens) const;
    /// The runs of a tensor without end, behind every window: token t lies in the one of them that holds it as soon as
    /// window_tokens() more tokens follow it, and from then on, as far as whole pages go. The last one has no end.
    std::vector<TokenRun> lasting_runs() const;
    static constexpr std::uint64_t no_end = std::numeric_limits<std::uint64_t>::max();
    /// The largest window.
    std::uint64_t window_tokens() const { return windows_.empty() ? 0 : windows_.front(); }

  private:
    /// The rest of a rule's selector, for this layer and head.
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

    std::vector<Taker> takers_;           ///< the first that takes a token has it; the last one takes all
    std::vector<std::uint64_t> windows_;  ///< each width once, the largest first
    std::vector<std::uint64_t> sinks_;
};

}  // namespace kvstone
