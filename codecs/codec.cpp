#include "codecs/codec.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codecs/access.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/registry.hpp"

namespace kvstone {
namespace {

std::string print(IndexRanges const& ranges) {
    std::string text;
    for (auto const& [first, last] : ranges) {
        if (!text.empty()) text += ',';
        text += first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
    }
    return text;
}

std::string print(Selector const& selector) {
    std::vector<std::string> parts;
    if (selector.component) parts.emplace_back(name_of(*selector.component));
    if (selector.layers) parts.push_back(fmt::format("layers({})", print(*selector.layers)));
    if (selector.last_layers) parts.push_back(fmt::format("last_layers({})", *selector.last_layers));
    if (selector.heads) parts.push_back(fmt::format("heads({})", print(*selector.heads)));
    if (selector.sink_tokens) parts.push_back(fmt::format("sink({})", *selector.sink_tokens));
    if (selector.window_tokens) parts.push_back(fmt::format("window({})", *selector.window_tokens));
    return parts.empty() ? "rest" : fmt::format("{}", fmt::join(parts, ","));
}

std::string print(StageText const& stage) {
    auto const& info = stage_named(stage.name).info;
    auto text = versioned_name(info);
    char separator = ':';
    for (auto const& spec : info.options) {
        auto const& value = stage.options.at(spec.name);
        if (spec.default_value == value) continue;
        text += fmt::format("{}{}={}", separator, spec.name, value);
        separator = ',';
    }
    return text;
}

std::string print(PipelineText const& pipeline) {
    std::string text;
    for (auto const& stage : pipeline) {
        if (!text.empty()) text += " | ";
        text += print(stage);
    }
    return text;
}

}  // namespace

std::string_view name_of(Component component) { return component == Component::k ? "k" : "v"; }

std::string Codec::text() const {
    std::string const front = selection_ ? print(*selection_) + " | " : "";
    if (rules_.size() == 1 && rules_[0].selector == Selector{}) return front + print(rules_[0].pipeline);
    std::string text;
    for (auto const& rule : rules_) {
        if (!text.empty()) text += ' ';
        text += fmt::format("{}{{{}}}", print(rule.selector), print(rule.pipeline));
    }
    return front + text;
}

Codec Codec::of_layer(std::uint64_t layer, std::uint64_t layers) const {
    if (selection_) throw drops_tokens(*selection_);
    Codec own;
    for (auto rule : rules_) {
        auto& where = rule.selector;
        auto const holds = [&](auto const& range) { return range.first <= layer && layer <= range.second; };
        if (where.layers && std::ranges::none_of(*where.layers, holds)) continue;
        if (where.last_layers && layer + *where.last_layers < layers) continue;
        for (auto const& stage : rule.pipeline) {
            if (layers > 1 && needs_of(stage).mixes_layers)
                throw NotApplicable("merges layers, and cannot code one layer at a time", stage.name,
                                    {"the protocol context"});
        }
        for (auto& stage : rule.pipeline) {
            // Bases of single layers: the tensor's only layer is this one of theirs.
            if (auto first = stage.options.find("first_layer");
                first != stage.options.end() && needs_of(stage).calibrated)
                first->second = std::to_string(std::stoull(first->second) + layer);
        }
        where.layers.reset();
        where.last_layers.reset();
        own.rules_.push_back(std::move(rule));
    }
    return own;
}

Codec Codec::without_entropy_stages() const {
    auto bare = *this;
    for (auto& rule : bare.rules_)
        std::erase_if(rule.pipeline,
                      [](StageText const& stage) { return stage_named(stage.name).kind == StageKind::entropy; });
    return bare;
}

Codec Codec::without_selection() const {
    auto bare = *this;
    bare.selection_.reset();
    return bare;
}

CodecNeeds needs_of(Codec const& codec) {
    CodecNeeds needs;
    for (auto const& rule : codec.rules()) {
        for (auto const& stage : rule.pipeline) {
            auto const one = needs_of(stage);
            needs.needs_positions |= one.needs_positions;
            needs.mixes_heads |= one.mixes_heads;
            needs.mixes_layers |= one.mixes_layers;
            needs.fixed_rate &= one.fixed_rate;
            needs.calibrated |= one.calibrated;
        }
    }
    return needs;
}

std::string text_of(CodecNeeds const& needs) {
    std::vector<std::string> parts;
    if (needs.needs_positions) parts.emplace_back("needs positions");
    if (needs.mixes_heads) parts.emplace_back("mixes heads");
    if (needs.mixes_layers) parts.emplace_back("mixes layers");
    if (!needs.fixed_rate) parts.emplace_back("variable rate");
    if (needs.calibrated) parts.emplace_back("calibrated");
    return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace kvstone
