#include "harness/workloads/growing_cache.hpp"

#include <fmt/format.h>

#include "codecs/access.hpp"
#include "codecs/from_outside.hpp"
#include "scenarios/external_definition.hpp"

namespace kvstone {
namespace {

/// "stage int8 needs whole tensors", of the stage that does.
std::string reason(Codec const& codec, StageText const& stage, std::string const& who) {
    auto const more = text_of(needs_of(stage));
    return fmt::format(
        "stage {} needs whole tensors{}, and {} codes tokens as they come: '{}'; accepted: stages of access token or "
        "page (kvstone list stages), workload roundtrip, protocol context",
        stage.name, more.empty() ? "" : fmt::format(" ({})", more), who, with_plain_names(codec.text()));
}

std::string own_name(StageText const& stage) { return stage.options.at("name"); }

}  // namespace

std::string append_skips(Codec const& codec, Json const&) {
    auto const stage = whole_tensor_stage(codec);
    if (!stage) return {};
    if (!is_from_outside(stage->name) || !stage->options.contains("name"))
        return reason(codec, *stage, "workload append");
    return fmt::format(
        "{} is a codec from outside, whose bytes of new tokens cannot be appended to those of earlier ones: '{}'; "
        "accepted: workload roundtrip, and workload model with any protocol",
        own_name(*stage), with_plain_names(codec.text()));
}

std::string protocol_skips(Codec const& codec, Json const& options) {
    auto const protocol = options.value("protocol", "");
    if (protocol != "inline" && protocol != "decode") return {};
    for (auto const& rule : codec.rules()) {
        if (rule.selector.window_tokens) continue;
        for (auto const& stage : rule.pipeline) {
            if (page_tokens_of(stage) != 0 || codes_by_token(stage)) continue;
            if (!is_from_outside(stage.name) || !stage.options.contains("name"))
                return reason(codec, stage, "protocol " + protocol);
            return fmt::format(
                "protocol {} codes tokens as they come, and {} is taken to code them together: '{}'; accepted: "
                "`by_token: true` in its definition, where it codes every token by itself, protocol context",
                protocol, own_name(stage), with_plain_names(codec.text()));
        }
    }
    return {};
}

}  // namespace kvstone
