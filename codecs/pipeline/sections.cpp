#include "codecs/pipeline/sections.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "codecs/pipeline/token_runs.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::size_t most_parts = std::size_t{1} << 20;

void check_within(std::optional<IndexRanges> const& ranges, std::uint64_t size, char const* axis) {
    if (!ranges || ranges->empty() || ranges->back().second < size) return;
    // The first so many: there may be fewer.
    if (ranges->size() == 1 && ranges->front().first == 0 && std::string_view(axis) == "layers") return;
    throw ConfigError(fmt::format("the codec names {} that the tensor does not have", axis),
                      fmt::format("{}", ranges->back().second), {fmt::format("{} 0-{}", axis, size - 1)});
}

void check_parts(std::size_t parts) {
    if (parts <= most_parts) return;
    throw ConfigError("the rules cut the tensor into too many parts", "", {fmt::format("up to {}", most_parts)});
}

void add_cuts(std::set<std::uint64_t>& cuts, std::optional<IndexRanges> const& ranges, std::uint64_t size) {
    if (!ranges) return;
    for (auto const& [first, last] : *ranges) {
        cuts.insert(first);
        cuts.insert(std::min(std::uint64_t{last} + 1, size));
    }
}

/// The runs of each group of layers and heads, and which of them a section holds already.
class Columns {
  public:
    Columns(Codec const& codec, std::vector<Pipeline> const& pipelines, Section const& whole, ColumnCuts const& cuts)
        : heads_(cuts.heads.size() - 1) {
        std::size_t parts = 0;
        for (std::size_t l = 0; l + 1 < cuts.layers.size(); ++l) {
            for (std::size_t h = 0; h < heads_; ++h) {
                auto place = whole;
                place.layer = cuts.layers[l];
                place.head = cuts.heads[h];
                runs_.push_back(
                    TokenRules(codec.rules(), pipelines, place, whole.shape.layers).runs(whole.shape.tokens));
                parts += runs_.back().size();
                check_parts(parts);
            }
        }
    }
    std::vector<TokenRun>& runs(std::size_t l, std::size_t h) { return runs_[l * heads_ + h]; }
    bool have(std::size_t l, std::size_t h0, std::size_t h1, TokenRun const& run) {
        for (auto h = h0; h < h1; ++h) {
            if (std::ranges::find(runs(l, h), run) == runs(l, h).end()) return false;
        }
        return true;
    }
    void take(std::size_t l, std::size_t h, TokenRun const& run) { std::erase(runs(l, h), run); }

  private:
    std::size_t heads_;
    std::vector<std::vector<TokenRun>> runs_;
};

}  // namespace

ColumnCuts cut_columns(Codec const& codec, Component component, KvShape const& shape) {
    std::set<std::uint64_t> layers{0, shape.layers};
    std::set<std::uint64_t> heads{0, shape.heads};
    for (auto const& rule : codec.rules()) {
        auto const& where = rule.selector;
        if (where.component && *where.component != component) continue;
        check_within(where.layers, shape.layers, "layers");
        check_within(where.heads, shape.heads, "heads");
        add_cuts(layers, where.layers, shape.layers);
        if (where.last_layers) layers.insert(shape.layers - std::min<std::uint64_t>(*where.last_layers, shape.layers));
        add_cuts(heads, where.heads, shape.heads);
    }
    check_parts(layers.size() * heads.size());
    return {{layers.begin(), layers.end()}, {heads.begin(), heads.end()}};
}

std::vector<RuledSection> cut_sections(Codec const& codec, std::vector<Pipeline> const& pipelines, Component component,
                                       KvShape const& shape, ElementType type) {
    std::vector<RuledSection> sections;
    if (shape.values() == 0) return sections;
    auto const cuts = cut_columns(codec, component, shape);
    Columns columns(codec, pipelines, {component, type, 0, 0, 0, shape}, cuts);
    auto const layers = cuts.layers.size() - 1;
    auto const heads = cuts.heads.size() - 1;
    for (std::size_t l0 = 0; l0 < layers; ++l0) {
        for (std::size_t h0 = 0; h0 < heads; ++h0) {
            while (!columns.runs(l0, h0).empty()) {
                auto const run = columns.runs(l0, h0).front();
                auto h1 = h0 + 1;
                auto l1 = l0 + 1;
                while (h1 < heads && columns.have(l0, h1, h1 + 1, run)) ++h1;
                while (l1 < layers && columns.have(l1, h0, h1, run)) ++l1;
                for (auto l = l0; l < l1; ++l) {
                    for (auto h = h0; h < h1; ++h) columns.take(l, h, run);
                }
                Section section{component, type, cuts.layers[l0], cuts.heads[h0], run.first, {}};
                section.shape = {cuts.layers[l1] - cuts.layers[l0], cuts.heads[h1] - cuts.heads[h0],
                                 run.end - run.first, shape.dim};
                auto const& where = codec.rules()[run.rule].selector;
                bool const kept = where.sink_tokens || where.window_tokens;
                sections.push_back({section, run.rule, kept && pipelines[run.rule].plain});
            }
        }
    }
    return sections;
}

}  // namespace kvstone
