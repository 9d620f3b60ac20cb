#include "codecs/pipeline/token_runs.hpp"

#include <algorithm>
#include <functional>
#include <set>

namespace kvstone {
namespace {

bool contains(std::optional<IndexRanges> const& ranges, std::uint64_t index) {
    if (!ranges) return true;
    return std::ranges::any_of(*ranges, [&](auto const& r) { return r.first <= index && index <= r.second; });
}

bool takes(Selector const& where, Section const& place, std::uint64_t layers) {
    return (!where.component || *where.component == place.component) && contains(where.layers, place.layer) &&
           (!where.last_layers || place.layer + *where.last_layers >= layers) && contains(where.heads, place.head);
}

}  // namespace

TokenRules::TokenRules(std::vector<Rule> const& rules, std::vector<Pipeline> const& pipelines, Section const& place,
                       std::uint64_t layers) {
    std::set<std::uint64_t, std::greater<>> windows;
    std::set<std::uint64_t> sinks;
    for (std::size_t rule = 0; rule < rules.size(); ++rule) {
        auto const& where = rules[rule].selector;
        if (!takes(where, place, layers)) continue;
        takers_.push_back({rule, where.sink_tokens, where.window_tokens, pipelines[rule].page_tokens(place)});
        if (where.window_tokens) windows.insert(*where.window_tokens);
        if (where.sink_tokens) sinks.insert(*where.sink_tokens);
        if (!where.window_tokens && !where.sink_tokens) break;  // parsing made sure that there is one
    }
    windows_.assign(windows.begin(), windows.end());
    sinks_.assign(sinks.begin(), sinks.end());
}

TokenRules::Taker const& TokenRules::taker_of(std::uint64_t token, Starts const& starts) const {
    return *std::ranges::find_if(takers_, [&](Taker const& taker) {
        if (taker.sink && token >= *taker.sink) return false;
        if (!taker.window) return true;
        auto const place =
            static_cast<std::size_t>(std::ranges::find(windows_, std::uint64_t{*taker.window}) - windows_.begin());
        return place < starts.size() && token >= starts[place];
    });
}

/// First token of the run that would hold `token`.
std::uint64_t TokenRules::run_start(std::uint64_t token, Starts const& starts) const {
    auto const rule = taker_of(token, starts).rule;
    std::set<std::uint64_t, std::greater<>> cuts{0};
    cuts.insert(sinks_.begin(), sinks_.end());
    cuts.insert(starts.begin(), starts.end());
    auto start = token;
    for (auto const cut : cuts) {
        if (cut >= start) continue;
        if (taker_of(cut, starts).rule != rule) break;
        start = cut;
    }
    return start;
}

std::vector<TokenRun> TokenRules::runs(std::uint64_t tokens) const {
    Starts starts;
    for (auto const window : windows_) {
        auto start = tokens - std::min(window, tokens);
        auto const page_tokens = taker_of(start, starts).page_tokens;
        if (page_tokens > 1) start -= (start - run_start(start, starts)) % page_tokens;
        starts.push_back(start);
    }
    return runs_between(starts, tokens);
}

std::vector<TokenRun> TokenRules::lasting_runs() const {
    auto runs = runs_between({}, (sinks_.empty() ? 0 : sinks_.back()) + 1);
    runs.back().end = no_end;
    return runs;
}

std::vector<TokenRun> TokenRules::runs_between(Starts const& starts, std::uint64_t tokens) const {
    std::set<std::uint64_t> cuts{0, tokens};
    for (auto const cut : sinks_) cuts.insert(std::min(cut, tokens));
    for (auto const cut : starts) cuts.insert(cut);
    std::vector<TokenRun> runs;
    for (auto cut = cuts.begin(); *cut < tokens; ++cut) {
        auto const& taker = taker_of(*cut, starts);
        auto const end = *std::next(cut);
        if (!runs.empty() && runs.back().rule == taker.rule) {
            runs.back().end = end;
        } else {
            runs.push_back({*cut, end, taker.rule, taker.page_tokens});
        }
    }
    return runs;
}

}  // namespace kvstone
