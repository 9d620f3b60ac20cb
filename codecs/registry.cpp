#include "codecs/registry.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

std::map<std::string, StageEntry>& entries() {
    static std::map<std::string, StageEntry> registered;
    return registered;
}

std::string_view name_of(Access access) {
    switch (access) {
        case Access::token:
            return "token";
        case Access::page:
            return "page";
        case Access::whole:
            return "whole";
    }
    return "unknown";
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
    if (!entries().emplace(name, std::move(entry)).second) throw std::logic_error("stage registered twice: " + name);
}

std::vector<StageSummary> registered_stages() {
    std::vector<StageSummary> summaries;
    for (auto const& [name, entry] : entries()) {
        auto const& info = entry.info;
        summaries.push_back({name, std::string(name_of(entry.kind)), info.summary, info.source,
                             std::string(name_of(info.access)), describe_options(info.options), info.examples.at(0)});
    }
    return summaries;
}

}  // namespace kvstone
