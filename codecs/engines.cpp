#include "codecs/engines.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "codecs/engine_limits.hpp"
#include "codecs/from_outside.hpp"
#include "codecs/registry.hpp"

namespace kvstone {
namespace {

/// The pipeline that codes most of K or of V.
Rule const& main_rule(Codec const& codec, Component component) {
    Rule const* found = nullptr;
    for (auto const& rule : codec.rules())
        if (!rule.selector.component || rule.selector.component == component) found = &rule;
    return *found;  // parsing sees to it that the last rule of each takes the rest
}

bool has_stage(PipelineText const& pipeline, std::string const& name) {
    return std::ranges::any_of(pipeline, [&](StageText const& stage) { return stage.name == name; });
}

bool fits(EngineSettings const& settings, StageText const& stage, PipelineText const& pipeline) {
    return (settings.behind.empty() || has_stage(pipeline, settings.behind)) &&
           std::ranges::all_of(settings.options, [&](auto const& option) {
               auto const given = stage.options.find(option.first);
               return given != stage.options.end() && given->second == option.second;
           });
}

/// The settings of a pipeline's quantiser, and the stages around it that they do not cover.
struct PipelineSettings {
    EngineSettings settings;
    std::vector<std::string> differences;
};

PipelineSettings settings_of(PipelineText const& pipeline) {
    PipelineSettings found;
    for (auto const& stage : pipeline) {
        auto const& entry = stage_registry().at(stage.name);
        if (entry.kind != StageKind::quantiser) continue;
        auto const& cases = entry.info.engines;
        auto const settings = std::ranges::find_if(cases, [&](auto const& one) { return fits(one, stage, pipeline); });
        if (settings != cases.end()) found.settings = *settings;
        found.differences.push_back(fmt::format("{}: {}", stage.name, found.settings.differs));
    }
    for (auto const& stage : pipeline) {
        auto const& entry = stage_registry().at(stage.name);
        if (entry.kind == StageKind::quantiser || stage.name == found.settings.behind) continue;
        if (!entry.info.engines.empty())
            found.differences.push_back(fmt::format("{}: {}", stage.name, entry.info.engines.back().differs));
    }
    return found;
}

/// The first of K's that V has, too.
std::string common(std::vector<std::string> const& k, std::vector<std::string> const& v) {
    auto const shared = std::ranges::find_if(k, [&](auto const& one) { return std::ranges::find(v, one) != v.end(); });
    return shared == k.end() ? std::string() : *shared;
}

std::string given_as(std::string const& option, std::string const& value) {
    return value.empty() || value == "none" ? "none" : option + value;
}

/// Values of a block of a setting, where it codes blocks of them.
std::uint64_t block_values(std::string_view setting) {
    // ggml's quantised types but for k-quants, which caches cannot have.
    static std::map<std::string_view, std::uint64_t> const blocks{
        {"q4_0", 32},   {"q4_1", 32},  {"q5_0", 32},           {"q5_1", 32},  {"q8_0", 32},
        {"iq4_nl", 32}, {"nvfp4", 16}, {"fp4_mx_block16", 16}, {"mxfp8", 32}, {"int4_per_token_head", 2}};
    auto const found = blocks.find(setting);
    return found == blocks.end() ? 1 : found->second;
}

/// Removes settings that an engine refuses for heads of `values` values.
void leave_out_refused(PipelineSettings& found, std::string_view component, std::uint64_t values) {
    if (values == 0) return;
    auto const sift = [&](char const* engine, std::vector<std::string>& settings) {
        std::erase_if(settings, [&](std::string const& setting) {
            auto const block = block_values(setting);
            if (values % block == 0) return false;
            found.differences.push_back(
                fmt::format("{} refuses {} here: it codes blocks of {} values, and a head of {} has {}", engine,
                            setting, block, component, values));
            return true;
        });
    };
    sift("vLLM", found.settings.vllm);
    sift("SGLang", found.settings.sglang);
    sift("llama.cpp", found.settings.llama_cpp);
}

/// The setting of llama.cpp that a codec is, where it is one.
std::string own_setting(Codec const& codec) {
    auto const& stage = codec.rules().front().pipeline.front();
    if (stage.name != engine_cache_stage) return {};
    auto text = fmt::format("-ctk {} -ctv {}", stage.options.at("k"), stage.options.at("v"));
    if (auto const& flash = stage.options.at("flash"); flash != "auto") text += " -fa " + flash;
    return stage.options.at("rotation") == "off" ? "LLAMA_ATTN_ROT_DISABLE=1 " + text : text;
}

void add_once(std::vector<std::string>& all, std::string text) {
    if (std::ranges::find(all, text) == all.end()) all.push_back(std::move(text));
}

}  // namespace

std::string turboquant_serde(std::string const& preset) {
    return fmt::format(R"(serde {{"type": "turboquant", "preset": "{}"}})", preset);
}

std::string NearestSettings::text() const {
    return fmt::format("vLLM: {}; SGLang: {}; LMCache: {}; llama.cpp: {}", vllm, sglang, lmcache, llama_cpp);
}

NearestSettings nearest_settings(Codec const& codec) { return nearest_settings(codec, {}); }

NearestSettings nearest_settings(Codec const& codec, HeadValues const& heads) {
    auto const& k_rule = main_rule(codec, Component::k);
    auto const& v_rule = main_rule(codec, Component::v);
    auto k = settings_of(k_rule.pipeline);
    auto v = settings_of(v_rule.pipeline);
    leave_out_refused(k, "K", heads.k);
    leave_out_refused(v, "V", heads.v);
    NearestSettings nearest;
    nearest.vllm = given_as("--kv-cache-dtype ", common(k.settings.vllm, v.settings.vllm));
    nearest.sglang = given_as("--kv-cache-dtype ", common(k.settings.sglang, v.settings.sglang));
    nearest.lmcache = given_as("", common(k.settings.lmcache, v.settings.lmcache));
    auto const& k_types = k.settings.llama_cpp;
    auto const& v_types = v.settings.llama_cpp;
    nearest.llama_cpp =
        k_types.empty() || v_types.empty() ? "none" : fmt::format("-ctk {} -ctv {}", k_types.front(), v_types.front());
    if (auto own = own_setting(codec); !own.empty()) nearest.llama_cpp = std::move(own);
    bool const apart = k_rule.pipeline != v_rule.pipeline;
    if (apart && nearest.vllm == "none")
        nearest.differences.emplace_back("K and V are coded apart: vLLM, SGLang and LMCache have one setting for both");
    for (auto const& difference : k.differences) add_once(nearest.differences, (apart ? "K, " : "") + difference);
    for (auto const& difference : v.differences) add_once(nearest.differences, (apart ? "V, " : "") + difference);
    if (auto const& keep = codec.selection())
        add_once(nearest.differences,
                 fmt::format("{}: {}", keep->name, stage_named(keep->name).info.engines.back().differs));
    for (auto const& rule : codec.rules()) {
        if (rule.selector.sink_tokens || rule.selector.window_tokens)
            add_once(nearest.differences, "sinks and windows: no engine keeps them apart");
        if (rule.selector.layers || rule.selector.last_layers)
            add_once(
                nearest.differences,
                "layers apart: vLLM has --kv-cache-dtype-skip-layers, LMCache's turboquant skips its first and last 2, "
                "the others code all alike");
        if (rule.selector.heads) add_once(nearest.differences, "heads apart: no engine has that");
    }
    return nearest;
}

}  // namespace kvstone
