#include "harness/workloads/growing_cache.hpp"

#include <fmt/format.h>

#include "codecs/access.hpp"

namespace kvstone {
namespace {

std::string reason(Codec const& codec, std::string const& who) {
    auto const stage = whole_tensor_stage(codec);
    if (!stage) return {};
    auto const more = text_of(needs_of(*stage));
    return fmt::format(
        "stage {} needs whole tensors{}, and {} codes tokens as they come: '{}'; accepted: stages of access token or "
        "page (kvstone list stages), workload roundtrip, protocol context",
        stage->name, more.empty() ? "" : fmt::format(" ({})", more), who, codec.text());
}

}  // namespace

std::string append_skips(Codec const& codec, Json const&) { return reason(codec, "workload append"); }

std::string protocol_skips(Codec const& codec, Json const& options) {
    auto const protocol = options.value("protocol", "");
    return protocol == "inline" || protocol == "decode" ? reason(codec, "protocol " + protocol) : std::string();
}

}  // namespace kvstone
