#include "harness/workloads/dropping.hpp"

#include <map>
#include <mutex>

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"
#include "codecs/selection/selected_codec.hpp"
#include "harness/engine/cache_shape.hpp"
#include "harness/workloads/workload.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/external_definition.hpp"

namespace kvstone {
namespace {

/// Layers of a source whose layers are all alike; 0: not known before it is read.
std::uint64_t layers_of(Cell const& cell) {
    if (cell.source.value("kind", "") == "synthetic") return cell.source.at("layers").get<std::uint64_t>();
    if (cell.source.value("kind", "") != "model") return 0;
    // Asked for every cell of a plan, of few models.
    static std::mutex mutex;
    static std::map<std::string, std::uint64_t> known;
    auto const path = cell.locator.value("path", "");
    std::scoped_lock const lock(mutex);
    auto const [of, added] = known.try_emplace(path);
    if (added) try {
            of->second = cache_shape_of(path).layers;
        } catch (std::exception const&) {
            of->second = 0;  // its attempts say so
        }
    return of->second;
}

}  // namespace

void check_removable(StageText const& keep, std::string const& protocol) {
    if (protocol != "context")
        throw NotApplicable(
            "a policy looks once at a whole prompt and drops tokens of it; these protocols code tokens as they come",
            "protocol " + protocol, {"protocol context"});
    if (same_tokens(keep) != SameTokens::all)
        throw NotApplicable(
            "the engine removes a token from all layers and heads, and this codec keeps other tokens in each of them",
            fmt::format("over={}", keep.options.at("over")),
            {"over=all, where the policy takes it", "policy=streaming", "workload attention"});
}

void check_last_token(StageText const& keep, bool stays) {
    if (!stays)
        throw NotApplicable("the engine continues a text only behind its last token, which this policy drops",
                            keep.options.at("policy"), {"window=1 or more", "of streaming a smaller sink"});
}

void check_dropping(Codec const& codec, Cell const& cell, std::optional<std::uint64_t> prompt_tokens) {
    auto const& keep = *codec.selection();
    if (!workload_named(cell.workload).takes_selections)
        throw NotApplicable(
            fmt::format("stage {} drops tokens, and workload {} measures caches of all tokens", keep.name,
                        cell.workload),
            with_plain_names(cell.codec),
            {"workload attention with `spread: last`", "workloads model and tasks with `protocol: context`"});
    check_kept_alone(codec);
    bool const by_engine = cell.workload != "attention";
    if (by_engine) check_removable(keep, cell.options.value("protocol", ""));
    auto const layers = keeps_evenly(keep) ? 1 : layers_of(cell);
    if (!prompt_tokens || layers == 0) return;
    kept_counts(keep, layers, *prompt_tokens);
    if (by_engine) check_last_token(keep, !drops_last_token(keep, *prompt_tokens));
}

}  // namespace kvstone
