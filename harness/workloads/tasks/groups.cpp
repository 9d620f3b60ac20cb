#include "harness/workloads/tasks/groups.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Solved items from `first` on, as few as have `tokens` tokens, and the item behind them; empty where they are too few or
/// none is left.
struct Prefix {
    std::string text;
    std::size_t end = 0;
};
Prefix prefix_of(std::vector<TaskItem> const& items, std::size_t first, std::uint64_t tokens,
                 TokenCount const& tokens_of) {
    Prefix prefix;
    for (prefix.end = first; prefix.end < items.size(); ++prefix.end) {
        if (!prefix.text.empty() && tokens_of(prefix.text) >= tokens) return prefix;
        prefix.text += items[prefix.end].solved() + "\n\n";
    }
    if (first > 0 && !prefix.text.empty() && tokens_of(prefix.text) >= tokens) return prefix;
    return {};
}

}  // namespace

std::vector<TaskGroup> file_groups(std::vector<TaskItem> const& items, std::uint64_t tokens, std::uint64_t limit,
                                   std::string const& path, TokenCount const& tokens_of) {
    auto const first = prefix_of(items, 0, tokens, tokens_of);
    if (first.text.empty())
        throw ConfigError("no item is left behind a prefix of others", fmt::format("{} items", items.size()),
                          {fmt::format("items of {} tokens together and one more", tokens)}, {path, 0, 0});
    auto const part = [&](std::size_t from, std::size_t to) {
        auto const count = std::min<std::uint64_t>(to - from, limit);
        limit -= count;
        auto const begin = items.begin() + static_cast<std::ptrdiff_t>(from);
        return std::vector(begin, begin + static_cast<std::ptrdiff_t>(count));
    };
    std::vector<TaskGroup> groups{{first.text, part(first.end, items.size())}};
    auto const second = limit > 0 ? prefix_of(items, first.end, tokens, tokens_of) : Prefix{};
    if (!second.text.empty()) groups.push_back({second.text, part(0, first.end)});
    return groups;
}

std::vector<TaskGroup> story_groups(RecallSettings settings, std::uint64_t limit, TokenCount const& tokens_of) {
    std::vector<TaskGroup> groups;
    for (; limit > 0; ++settings.story) {
        groups.push_back(recall_story(settings, tokens_of));
        auto& items = groups.back().items;
        items.resize(std::min<std::uint64_t>(items.size(), limit));
        for (auto& item : items) item.origin = fmt::format("task {}, story {}", settings.kind, settings.story);
        limit -= items.size();
    }
    return groups;
}

}  // namespace kvstone
