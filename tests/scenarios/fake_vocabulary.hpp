#pragma once
// Names for scenarios under test: a few stages, shapes and files, and no codec behind them.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/scenario.hpp"

namespace kvstone {

inline std::string trimmed(std::string const& text) {
    auto const begin = text.find_first_not_of(' ');
    return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

/// Canonical text of one stage: known names and options, the default scheme left out.
inline std::string fake_stage(std::string const& text) {
    static std::vector<std::string> const stages{"raw", "fp16", "bf16", "int8", "int", "gear", "delta", "zstd"};
    static std::vector<std::string> const options{"scheme", "clip", "bits", "axis", "group", "level"};
    auto const colon = text.find(':');
    auto const name = text.substr(0, colon);
    if (name == "external") return text;
    if (std::find(stages.begin(), stages.end(), name) == stages.end()) throw ConfigError("unknown stage", name, stages);
    std::string canonical = name;
    for (auto begin = colon; begin < text.size();) {
        auto const end = std::min(text.find(',', ++begin), text.size());
        auto const option = text.substr(begin, end - begin);
        auto const key = option.substr(0, option.find('='));
        if (std::find(options.begin(), options.end(), key) == options.end())
            throw ConfigError("unknown option of " + name, key, options);
        if (option != "scheme=symmetric") canonical += (canonical == name ? ":" : ",") + option;
        begin = end;
    }
    return canonical;
}

inline std::string fake_pipeline(std::string const& text) {
    std::string canonical;
    for (std::size_t begin = 0; begin <= text.size();) {
        auto const end = std::min(text.find('|', begin), text.size());
        canonical += (begin == 0 ? "" : " | ") + fake_stage(trimmed(text.substr(begin, end - begin)));
        begin = end + 1;
    }
    return canonical;
}

/// Rules "SELECTOR{PIPELINE} ..." or one pipeline; rest{P} alone is P. "keep:OPTIONS | " may stand in front.
inline std::string fake_codec(std::string const& text) {
    if (auto const bar = text.find(" | "); text.starts_with("keep:") && bar != std::string::npos)
        return text.substr(0, bar + 3) + fake_codec(text.substr(bar + 3));
    if (text.find('{') == std::string::npos) return fake_pipeline(text);
    std::string canonical;
    for (std::size_t begin = 0; begin < text.size();) {
        auto const open = text.find('{', begin);
        auto const close = text.find('}', begin);
        if (close == std::string::npos || close < open) throw ConfigError("expected '{' and '}'", text.substr(begin));
        auto const selector = trimmed(text.substr(begin, open - begin));
        auto const pipeline = fake_pipeline(text.substr(open + 1, close - open - 1));
        if (selector == "rest" && canonical.empty() && close + 1 == text.size()) return pipeline;
        canonical += (canonical.empty() ? "" : " ") + selector + "{" + pipeline + "}";
        begin = close + 1;
    }
    return canonical;
}

/// Built-in files are looked up in `folder` where one is given.
inline Vocabulary fake_vocabulary(std::string const& folder = {}) {
    Vocabulary vocabulary;
    vocabulary.canonical_codec = fake_codec;
    vocabulary.codec_names = {"raw", "fp16", "bf16", "int8", "int", "gear", "delta", "zstd", "external", "balanced"};
    vocabulary.workloads = {"roundtrip", "attention"};
    vocabulary.backends = {"openmp", "cuda", "arm"};
    vocabulary.shapes = {"llama-3.1-8b", "gpt2", "deepseek-v3"};
    vocabulary.distributions = {"llama", "normal"};
    vocabulary.shape = [](std::string const& name) -> Json {
        if (name == "deepseek-v3")
            return {{"layers", 61},    {"heads", 128},  {"kv_heads", 1},
                    {"head_dim", 576}, {"latent", 512}, {"query_dim", 192}};
        if (name == "gpt2") return {{"layers", 12}, {"heads", 12}, {"kv_heads", 12}, {"head_dim", 64}};
        return {{"layers", 32}, {"heads", 32}, {"kv_heads", 8}, {"head_dim", 128}, {"rope_base", 500000.0}};
    };
    vocabulary.metrics = {"mae", "cosine", "ratio_vs_fp16"};
    vocabulary.builtin_path = [folder](std::string const& name) -> std::string {
        return folder.empty() ? "" : folder + "/" + name;
    };
    return vocabulary;
}

}  // namespace kvstone
