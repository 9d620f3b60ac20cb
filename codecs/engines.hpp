#pragma once
// The settings of serving engines nearest to a codec, and how they differ.
//
// As the engines had them when this was written:
//   vLLM       --kv-cache-dtype, vllm/config/cache.py of its main branch at 002f10e0 (after 0.25)
//   SGLang     --kv-cache-dtype, server arguments of its main branch with mxfp8, nvfp4 and fp4_mx_block16
//   LMCache    "serde" of an L2 adapter, lmcache/v1/distributed/serde of its main branch at 2375bc65: fp8 and turboquant
//   llama.cpp  -ctk and -ctv, common/arg.cpp with ggml 0.27; it rotates a quantised cache by Hadamard where the head
//              dimension is a multiple of 64, unless LLAMA_ATTN_ROT_DISABLE=1

#include <map>
#include <string>
#include <vector>

#include "codecs/codec.hpp"

namespace kvstone {

/// The nearest settings to a quantiser under some of its options, the nearest first. Those that only go with certain other
/// codecs for V (or K) stand behind those that take any. None: the engine has nothing near.
struct EngineSettings {
    std::vector<std::string> vllm = {};
    std::vector<std::string> sglang = {};
    std::vector<std::string> lmcache = {};
    std::vector<std::string> llama_cpp = {};
    std::string differs = {};                         ///< how the settings differ from the quantiser; never empty
    std::map<std::string, std::string> options = {};  ///< they apply where these options have these values
    std::string behind = {};                          ///< and where this transform stands before the quantiser
};

/// The setting of LMCache for a preset of TurboQuant.
std::string turboquant_serde(std::string const& preset);

/// For a whole codec, in each engine's spelling; "none" where it has nothing near, or no setting for K and V together.
struct NearestSettings {
    std::string vllm;
    std::string sglang;
    std::string lmcache;
    std::string llama_cpp;
    std::vector<std::string> differences;  ///< sentences

    /// "vLLM: ...; SGLang: ...; LMCache: ...; llama.cpp: ..."
    std::string text() const;
};

/// For the rules that take most of the cache, the last one of K and of V; parts that other rules take are a difference.
NearestSettings nearest_settings(Codec const& codec);

}  // namespace kvstone
