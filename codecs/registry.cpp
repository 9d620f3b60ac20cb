#include "codecs/registry.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "codecs/access.hpp"
#include "codecs/from_outside.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr auto no_engine_is_stated = "which settings of serving engines come nearest is not stated";

std::map<std::string, StageEntry>& entries() {
    static std::map<std::string, StageEntry> registered;
    return registered;
}

/// "token", "page" or "whole": of the first example, on vectors of 128.
std::string_view access_of(StageEntry const& entry) {
    if (entry.kind == StageKind::selector) return "whole";
    auto const codec = Codec::parse(shown_example(entry.info));
    for (auto const& stage : codec.rules()[0].pipeline) {
        if (stage.name != entry.info.name) continue;
        auto const tokens = page_tokens_of(stage);
        return tokens == 0 ? "whole" : tokens == 1 ? "token" : "page";
    }
    throw std::logic_error("the first example of a stage does not use it: " + entry.info.name);
}

std::string describe_needs(StageInfo const& info) {
    auto const words = [](StageInfo const& of) {
        return text_of({of.needs_positions, of.mixes_heads, of.mixes_layers, of.fixed_rate, of.calibrated});
    };
    auto text = words(info);
    for (auto const& [option, value, flag] : info.under) {
        StageInfo one;
        one.*flag = !(one.*flag);
        text += fmt::format("{}{} ({}={})", text.empty() ? "" : ", ", words(one), option, value);
    }
    return text;
}

std::string describe_options(std::vector<OptionSpec> const& specs) {
    std::string text;
    for (auto const& spec : specs) {
        if (!text.empty()) text += ", ";
        text += fmt::format("{}={}", spec.name, spec.accepted());
        text += spec.default_value ? fmt::format(" ({})", *spec.default_value) : std::string(" (required)");
        if (!spec.help.empty()) text += ": " + spec.help;
    }
    return text;
}

}  // namespace

std::string_view name_of(StageKind kind) {
    switch (kind) {
        case StageKind::selector:
            return "selector";
        case StageKind::transform:
            return "transform";
        case StageKind::quantiser:
            return "quantiser";
        case StageKind::entropy:
            return "entropy";
    }
    return "unknown";
}

std::map<std::string, StageEntry> const& stage_registry() { return entries(); }

std::string versioned_name(StageInfo const& info) {
    return info.format_version < 2 ? info.name : fmt::format("{}.{}", info.name, info.format_version);
}

StageEntry const& stage_named(std::string const& name) {
    auto const& stages = entries();
    auto const plain = stages.find(name.substr(0, name.find('.')));
    if (plain != stages.end() && (name == plain->first || name == versioned_name(plain->second.info))) {
        return plain->second;
    }
    std::vector<std::string> names;
    for (auto const& [known, entry] : stages) names.push_back(known);
    throw ConfigError("unknown stage", name, names);
}

void register_stage(StageEntry entry) {
    auto const name = entry.info.name;
    auto const require = [&](bool holds, std::string const& what) {
        if (!holds) throw std::logic_error(fmt::format("stage {} cannot be registered: {}", name, what));
    };
    require(!name.empty(), "it has no name");
    require(!entry.info.summary.empty(), "its StageInfo has no summary, which list shows");
    require(!entry.info.examples.empty() || is_from_outside(name),
            "its StageInfo has no examples, which list shows and the tests run");
    for (auto const& example : entry.info.examples)
        require(example.find(name) != std::string::npos, "its example does not use it: " + example);
    auto const& idle = entry.info.idle_bytes;
    require(idle.share >= 0 && idle.share <= 0.5, "idle_bytes.share is not between 0 and 0.5");
    require((idle.share > 0) == !idle.reason.empty(), "idle_bytes has a share and a reason, or neither");
    auto const& side = entry.info.side_bits;
    require((side.most > 0) == !side.reason.empty(), "side_bits has a number and a reason, or neither");
    if (entry.info.engines.empty()) entry.info.engines = {{.differs = no_engine_is_stated}};
    require(entries().emplace(name, std::move(entry)).second, "the name is taken");
}

std::vector<StageSummary> registered_stages() {
    std::vector<StageSummary> summaries;
    for (auto const& [name, entry] : entries()) {
        auto const& info = entry.info;
        summaries.push_back({name, std::string(name_of(entry.kind)), info.summary, info.source,
                             std::string(access_of(entry)), describe_options(info.options), shown_example(info),
                             describe_needs(info)});
    }
    return summaries;
}

}  // namespace kvstone
