#include "codecs/selection/selection.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>

#include "backends/kernels/host_for.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/registry.hpp"
#include "codecs/selection/policies.hpp"

namespace kvstone {
namespace {

std::uint64_t list_count(SameTokens same, std::uint64_t layers, std::uint64_t heads) {
    return same == SameTokens::head ? layers * heads : same == SameTokens::layer ? layers : 1;
}

Options options_of(StageText const& keep) {
    return {keep.name, stage_named(keep.name).info.options, {keep.options.begin(), keep.options.end()}};
}

Policy const& policy_of(StageText const& keep) { return policy_named(keep.options.at("policy")); }

/// Tokens that stay whatever their scores.
struct Always {
    std::uint64_t first;
    std::uint64_t last;
};

/// Tokens that stay in each layer, and those of them that are fixed.
struct Budget {
    std::vector<std::uint64_t> counts;
    Always always;
    std::uint64_t least() const { return *std::ranges::min_element(counts); }
};

Budget budget_of(StageText const& keep, std::uint64_t layers, std::uint64_t tokens) {
    auto const& policy = policy_of(keep);
    auto const options = options_of(keep);
    if (layers == 0 || tokens == 0)
        throw NotApplicable("the prompt has no token to choose from", keep.name,
                            {"a longer context", "fewer queries behind it"});
    Budget budget{
        policy.budgets != nullptr ? policy.budgets(options, layers, tokens)
                                  : std::vector(layers, kept_count(options.number("share"), tokens)),
        {static_cast<std::uint64_t>(options.integer("sink")), static_cast<std::uint64_t>(options.integer("window"))}};
    auto& always = budget.always;
    // A score of places alone: the window is what the share leaves.
    if (policy.score == nullptr) always.last = budget.counts.front() - std::min(budget.counts.front(), always.first);
    if (auto const least = budget.least(); least < tokens && always.first + always.last > least) {
        bool const windowed = policy.score != nullptr;
        std::vector<std::string> accepted{"a larger share", windowed ? "a smaller sink or window" : "a smaller sink",
                                          "a longer context"};
        if (policy.budgets != nullptr) accepted.emplace_back("a smaller beta");
        throw NotApplicable(
            fmt::format("{} of {} tokens stay by their share{}, fewer than the first {}{}, which always stay", least,
                        tokens, policy.budgets != nullptr ? " in the layer that keeps the fewest" : "", always.first,
                        windowed ? fmt::format(" and the last {}", always.last) : ""),
            keep.name, accepted);
    }
    return budget;
}

/// `count` tokens in rising order: those of `always`, then the highest scores.
std::vector<std::uint32_t> highest(TokenScores const& scores, std::uint64_t count, Always const& always) {
    auto const tokens = scores.size();
    std::vector<std::uint32_t> order(tokens);
    std::iota(order.begin(), order.end(), 0U);
    auto const worth = [&](std::uint32_t token) {
        if (token < always.first || token + always.last >= tokens) return std::numeric_limits<double>::infinity();
        return std::isnan(scores[token]) ? -std::numeric_limits<double>::infinity() : scores[token];
    };
    std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(count),
                              [&](std::uint32_t a, std::uint32_t b) {
                                  auto const of_a = worth(a), of_b = worth(b);
                                  return of_a > of_b || (of_a == of_b && a < b);
                              });
    order.resize(count);
    std::ranges::sort(order);
    return order;
}

/// Scores of [layer, head], averaged over what keeps the same tokens, in the order of layers and heads.
std::vector<TokenScores> averaged(std::vector<TokenScores> scores, SameTokens same, std::uint64_t layers,
                                  std::uint64_t heads) {
    if (same == SameTokens::head) return scores;
    auto const lists = list_count(same, layers, heads);
    auto const together = scores.size() / lists;
    std::vector<TokenScores> means;
    for (std::uint64_t list = 0; list < lists; ++list) {
        auto mean = std::move(scores[list * together]);
        for (std::uint64_t other = 1; other < together; ++other)
            for (std::size_t t = 0; t < mean.size(); ++t) mean[t] += scores[list * together + other][t];
        for (auto& score : mean) score /= static_cast<double>(together);
        means.push_back(std::move(mean));
    }
    return means;
}

void require_tensors(Policy const& policy, SelectionTensors const& tensors) {
    auto const& k = tensors.k.shape;
    bool const fits =
        tensors.v.shape.layers == k.layers && tensors.v.shape.heads == k.heads && tensors.v.shape.tokens == k.tokens;
    if (!fits) throw std::invalid_argument("K and V of other shapes");
    if (!policy.queries) return;
    if (!tensors.q) throw std::invalid_argument("this policy needs queries");
    auto const& q = tensors.q->shape;
    if (q.layers != k.layers || q.tokens != k.tokens || q.dim != k.dim || k.heads == 0 || q.heads % k.heads != 0)
        throw std::invalid_argument("queries of another shape than K");
}

}  // namespace

Selection::Selection(SameTokens same, std::uint64_t layers, std::uint64_t heads, std::uint64_t tokens,
                     std::vector<std::vector<std::uint32_t>> lists)
    : same_(same), layers_(layers), heads_(heads), tokens_(tokens), lists_(std::move(lists)) {
    auto const require = [](bool holds, char const* what) {
        if (!holds) throw std::invalid_argument(what);
    };
    require(lists_.size() == list_count(same, layers, heads), "other lists of tokens than layers and heads need");
    for (std::size_t i = 0; i < lists_.size(); ++i) {
        auto const& list = lists_[i];
        require(!list.empty() && list.back() < tokens,
                "a list of tokens that is empty or names tokens beyond the prompt");
        require(std::ranges::adjacent_find(list, std::greater_equal<>()) == list.end(),
                "a list of tokens does not rise");
        require(same != SameTokens::head || list.size() == lists_[i / heads * heads].size(),
                "heads of a layer that keep different numbers of tokens");
    }
}

std::span<std::uint32_t const> Selection::kept(std::uint64_t layer, std::uint64_t head) const {
    return lists_[same_ == SameTokens::head ? layer * heads_ + head : same_ == SameTokens::layer ? layer : 0];
}

bool Selection::same_counts() const {
    return std::ranges::all_of(lists_, [&](auto const& list) { return list.size() == lists_.front().size(); });
}

double Selection::share() const {
    std::uint64_t kept = 0;
    for (auto const& list : lists_) kept += list.size();
    return static_cast<double>(kept) / static_cast<double>(lists_.size() * tokens_);
}

bool needs_queries(StageText const& keep) { return policy_of(keep).queries; }
bool needs_rope(StageText const& keep) { return policy_of(keep).rope; }

SameTokens same_tokens(StageText const& keep) {
    auto const& over = keep.options.at("over");
    auto const asked = over == "head" ? SameTokens::head : over == "layer" ? SameTokens::layer : SameTokens::all;
    return std::max(asked, policy_of(keep).least_same);
}

std::uint64_t kept_count(double share, std::uint64_t tokens) {
    auto const count = static_cast<std::uint64_t>(static_cast<double>(tokens) * (1 - (1 - share)));
    return std::clamp<std::uint64_t>(count, 1, std::max<std::uint64_t>(tokens, 1));
}

std::vector<std::uint64_t> kept_counts(StageText const& keep, std::uint64_t layers, std::uint64_t tokens) {
    return budget_of(keep, layers, tokens).counts;
}

bool keeps_evenly(StageText const& keep) { return policy_of(keep).budgets == nullptr; }

bool drops_last_token(StageText const& keep, std::uint64_t tokens) {
    if (policy_of(keep).score != nullptr) return false;
    auto const budget = budget_of(keep, 1, tokens);
    return budget.counts.front() < tokens && budget.always.last == 0;
}

Selection select_tokens(StageText const& keep, SelectionTensors const& tensors) {
    auto const& policy = policy_of(keep);
    auto const options = options_of(keep);
    auto const [layers, heads, tokens, dim] = tensors.k.shape;
    require_tensors(policy, tensors);
    if (policy.rope && tensors.rope == nullptr)
        throw NotApplicable("this policy undoes RoPE, and the source does not say which it is",
                            std::string(policy.name));
    auto const same = same_tokens(keep);
    auto const budget = budget_of(keep, heads == 0 ? 0 : layers, tokens);
    auto const lists = list_count(same, layers, heads);

    std::vector<TokenScores> scores(policy.score == nullptr ? lists : layers * heads, TokenScores(tokens));
    if (policy.score != nullptr && budget.least() < tokens) {
        host_for(Kokkos::DefaultHostExecutionSpace(), "score_tokens", static_cast<std::int64_t>(scores.size()),
                 [&](std::int64_t const i) {
                     auto const place = static_cast<std::uint64_t>(i);
                     scores[place] = policy.score(tensors, options, place / heads, place % heads);
                 });
        scores = averaged(std::move(scores), same, layers, heads);
    }
    std::vector<std::vector<std::uint32_t>> kept;
    for (std::uint64_t list = 0; list < lists; ++list)
        kept.push_back(highest(scores[list], budget.counts[list * layers / lists], budget.always));
    return {same, layers, heads, tokens, std::move(kept)};
}

}  // namespace kvstone
