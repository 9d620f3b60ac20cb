#include "codecs/sections.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::size_t most_cells = std::size_t{1} << 20;

/// Where the rules change along one axis: [cuts[i], cuts[i + 1]) is taken alike.
using Cuts = std::vector<std::uint64_t>;

void check_within(std::optional<IndexRanges> const& ranges, std::uint64_t size, char const* axis) {
    if (!ranges || ranges->empty() || ranges->back().second < size) return;
    throw ConfigError(fmt::format("the codec names {} that the tensor does not have", axis),
                      fmt::format("{}", ranges->back().second), {fmt::format("{} 0-{}", axis, size - 1)});
}

bool contains(std::optional<IndexRanges> const& ranges, std::uint64_t index) {
    if (!ranges) return true;
    return std::ranges::any_of(*ranges, [&](auto const& r) { return r.first <= index && index <= r.second; });
}

void add_cuts(std::set<std::uint64_t>& cuts, std::optional<IndexRanges> const& ranges) {
    if (!ranges) return;
    for (auto const& [first, last] : *ranges) {
        cuts.insert(first);
        cuts.insert(std::uint64_t{last} + 1);
    }
}

/// Index of the first of the last `count` of `size`.
std::uint64_t first_of_last(std::uint64_t count, std::uint64_t size) { return size - std::min(count, size); }

struct Grid {
    Cuts layers, heads, tokens;
};

Grid cut_axes(std::vector<Rule> const& rules, Component component, KvShape const& shape) {
    std::set<std::uint64_t> layers{0, shape.layers};
    std::set<std::uint64_t> heads{0, shape.heads};
    std::set<std::uint64_t> tokens{0, shape.tokens};
    for (auto const& rule : rules) {
        auto const& where = rule.selector;
        if (where.component && *where.component != component) continue;
        check_within(where.layers, shape.layers, "layers");
        check_within(where.heads, shape.heads, "heads");
        add_cuts(layers, where.layers);
        if (where.last_layers) layers.insert(first_of_last(*where.last_layers, shape.layers));
        add_cuts(heads, where.heads);
        if (where.sink_tokens) tokens.insert(std::min<std::uint64_t>(*where.sink_tokens, shape.tokens));
        if (where.window_tokens) tokens.insert(first_of_last(*where.window_tokens, shape.tokens));
    }
    return {{layers.begin(), layers.end()}, {heads.begin(), heads.end()}, {tokens.begin(), tokens.end()}};
}

std::size_t rule_of(std::vector<Rule> const& rules, Component component, std::uint64_t layer, std::uint64_t head,
                    std::uint64_t token, KvShape const& shape) {
    auto const taken = std::ranges::find_if(rules, [&](Rule const& rule) {
        auto const& where = rule.selector;
        return (!where.component || *where.component == component) && contains(where.layers, layer) &&
               (!where.last_layers || layer >= first_of_last(*where.last_layers, shape.layers)) &&
               contains(where.heads, head) && (!where.sink_tokens || token < *where.sink_tokens) &&
               (!where.window_tokens || token >= first_of_last(*where.window_tokens, shape.tokens));
    });
    return static_cast<std::size_t>(taken - rules.begin());  // parsing made sure that one takes it
}

/// The grid's cells with the rule that takes each, and whether a box holds it yet.
class Cells {
  public:
    Cells(std::vector<Rule> const& rules, Component component, KvShape const& shape, Grid const& grid)
        : heads_(grid.heads.size() - 1), tokens_(grid.tokens.size() - 1) {
        for (std::size_t l = 0; l + 1 < grid.layers.size(); ++l) {
            for (std::size_t h = 0; h < heads_; ++h) {
                for (std::size_t t = 0; t < tokens_; ++t) {
                    rules_.push_back(rule_of(rules, component, grid.layers[l], grid.heads[h], grid.tokens[t], shape));
                }
            }
        }
        held_.resize(rules_.size());
    }
    std::size_t rule(std::size_t l, std::size_t h, std::size_t t) const { return rules_[at(l, h, t)]; }
    bool held(std::size_t l, std::size_t h, std::size_t t) const { return held_[at(l, h, t)]; }
    void hold(std::size_t l, std::size_t h, std::size_t t) { held_[at(l, h, t)] = true; }
    /// Whether the box [l0, l1) x [h0, h1) x [t0, t1) falls to `rule` and is free.
    bool free(std::size_t rule, std::size_t l0, std::size_t l1, std::size_t h0, std::size_t h1, std::size_t t0,
              std::size_t t1) const {
        for (auto l = l0; l < l1; ++l) {
            for (auto h = h0; h < h1; ++h) {
                for (auto t = t0; t < t1; ++t) {
                    if (rules_[at(l, h, t)] != rule || held_[at(l, h, t)]) return false;
                }
            }
        }
        return true;
    }

  private:
    std::size_t at(std::size_t l, std::size_t h, std::size_t t) const { return (l * heads_ + h) * tokens_ + t; }
    std::size_t heads_;
    std::size_t tokens_;
    std::vector<std::size_t> rules_;
    std::vector<bool> held_;
};

}  // namespace

std::vector<RuledSection> cut_sections(Codec const& codec, Component component, KvShape const& shape,
                                       ElementType type) {
    std::vector<RuledSection> sections;
    if (shape.values() == 0) return sections;
    auto const grid = cut_axes(codec.rules(), component, shape);
    if ((grid.layers.size() - 1) * (grid.heads.size() - 1) > most_cells / (grid.tokens.size() - 1)) {
        throw ConfigError("the rules cut the tensor into too many parts", "", {fmt::format("up to {}", most_cells)});
    }
    Cells cells(codec.rules(), component, shape, grid);
    auto const layers = grid.layers.size() - 1;
    auto const heads = grid.heads.size() - 1;
    auto const tokens = grid.tokens.size() - 1;
    for (std::size_t l0 = 0; l0 < layers; ++l0) {
        for (std::size_t h0 = 0; h0 < heads; ++h0) {
            for (std::size_t t0 = 0; t0 < tokens; ++t0) {
                if (cells.held(l0, h0, t0)) continue;
                auto const rule = cells.rule(l0, h0, t0);
                auto l1 = l0 + 1;
                auto h1 = h0 + 1;
                auto t1 = t0 + 1;
                while (t1 < tokens && cells.free(rule, l0, l1, h0, h1, t1, t1 + 1)) ++t1;
                while (h1 < heads && cells.free(rule, l0, l1, h1, h1 + 1, t0, t1)) ++h1;
                while (l1 < layers && cells.free(rule, l1, l1 + 1, h0, h1, t0, t1)) ++l1;
                for (auto l = l0; l < l1; ++l) {
                    for (auto h = h0; h < h1; ++h) {
                        for (auto t = t0; t < t1; ++t) cells.hold(l, h, t);
                    }
                }
                Section section{component, type, grid.layers[l0], grid.heads[h0], grid.tokens[t0], {}};
                section.shape = {grid.layers[l1] - grid.layers[l0], grid.heads[h1] - grid.heads[h0],
                                 grid.tokens[t1] - grid.tokens[t0], shape.dim};
                sections.push_back({section, rule});
            }
        }
    }
    return sections;
}

}  // namespace kvstone
