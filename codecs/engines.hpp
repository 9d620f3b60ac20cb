#pragma once
// What comes nearest to a codec in serving engines, and where it differs.
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
    std::string differs = {};  ///< where the settings are not what the quantiser does; never empty
    std::map<std::string, std::string> options = {};  ///< it is meant where these options have these values
    std::string behind = {};                          ///< and where this transform stands before it
};

/// A preset of TurboQuant as LMCache is given it.
std::string turboquant_serde(std::string const& preset);

/// Of a whole codec, as each engine is given them; "none" where it has nothing near, or nothing that K and V share.
struct NearestSettings {
    std::string vllm;
    std::string sglang;
    std::string lmcache;
    std::string llama_cpp;
    std::vector<std::string> differences;  ///< sentences

    /// "vLLM: ...; SGLang: ...; LMCache: ...; llama.cpp: ..."
    std::string text() const;
};

/// Of the rules for most of the cache, K's and V's last ones; parts that other rules take are told as a difference.
NearestSettings nearest_settings(Codec const& codec);

}  // namespace kvstone
