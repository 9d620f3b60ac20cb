#pragma once
// One point of a scenario's grid: the smallest unit that is dispatched, measured, stored and compared.

#include <cstdint>
#include <string>

#include "scenarios/json.hpp"

namespace kvstone {

/// The page of a cell whose scenario names none.
inline constexpr std::uint64_t default_page_tokens = 16;

/// Identity is the canonical text alone: compact JSON with sorted keys, options at their default left out, sources by
/// content hash. Everything else (paths, display names, how long to measure) may change without making another cell.
/// Codec, backend, source and workload are always written; context (0), options ({}), batch (1), page (16) and threads
/// (0) only where they differ from the default in brackets.
///
/// Member `source`, as identified ([...]: absent at its default; sha256: named_hash()), and the `locator` beside it:
///   {"kind":"model", "sha256":H, "text_sha256":H, ["gpu_layers":N (0)]}   locator {"path":GGUF, "text":FILE}
///   {"kind":"dump", "sha256":H, ["k":NAME, "v":NAME, "q":NAME, "k_prerope":NAME, "layout":"token head dim",
///    "dtype":"i8", "scale":NAME, "kv_heads":H, "batch":B, "latent":N, "query_dim":N, "tokens":N, "dim":D, "rope":{...}]}
///                                                                      locator {"path":FILE}
///     Where no tensor is named, the file's k, v, q and k_prerope are read, or else the names of
///     transformers (layer_stack.hpp); otherwise the named ones alone. A NAME with {layer} in it stands for one
///     array a layer, and layout for the axes of each. layout names the file's axes, slowest first (default: layer head
///     token dim; an axis that is not named has length 1; batch times head are the KV heads, or those of sequence `batch` alone, counted from 0); dtype is f32, f16, bf16, i8,
///     f8_e4m3 or f8_e5m2 (default: the file's); scale names the tensor that multiplies every value, or is a
///     number (default: none); kv_heads heads lie within the axis dim (default: one); latent and query_dim are those of
///     latent attention (KvTensors), the latent lying in front; tokens and dim are how many of the array's tokens and
///     channels are in use, from the first on (default: all); rope is K's rotary embedding (codecs/rope.hpp; default:
///     the file's).
///   {"kind":"dump", "sha256":H, "raw":{"k":{"dtype":"f16", "layout":"layer head token dim", "offset":BYTES,
///    "shape":[32,8,512,128], ["scale":1.5, "tokens":N, "dim":D]}, "v":...}}                 locator {"path":BINARY, "sidecar":YAML}
///     A binary file with a sidecar (see raw_sidecar.hpp), which is read into `raw` with everything spelled out.
///   {"kind":"synthetic", "layers":L, "kv_heads":H, "head_dim":D, ["heads":N (kv_heads)], ["latent":N (0)],
///    ["rope_base":B (10000)], ["distribution":NAME ("llama")], ["format":N (1)], ["seed":N (0)]}   locator {}
///     Numbers are spelled out: a shape's name stands for its numbers and is no part of the identity. rope_base 0 means
///     no RoPE; only the llama distribution has one, and a format, the others leave both out.
///
/// Options that are files: `options` holds their SHA-256, and the locator their paths as "files":{OPTION:PATH}.
struct Cell {
    std::string canonical;  ///< one line
    std::string id;         ///< 16 hexadecimal digits: XXH3-64 of canonical

    // The same, by member.
    std::string workload;           ///< "roundtrip"
    Json options = Json::object();  ///< of the workload, {"protocol":"context"}: those that differ from their default
    Json source;                ///< {"kind":"model"|"synthetic"|"dump", ...} as identified: content hashes, no paths
    std::uint64_t context = 0;  ///< tokens; 0: as many as the source has
    std::uint64_t batch = 1;    ///< sequences
    std::uint64_t page = default_page_tokens;  ///< tokens of a page of a cache that grows
    std::string codec;                         ///< canonical codec text
    std::string backend;                       ///< "openmp"
    int threads = 0;                           ///< host threads; 0: all cores of the node

    // Outside the identity.
    std::string codec_name;   ///< display name; the codec text where the scenario gives none
    std::string source_name;  ///< display name: the model's or shape's name, or the file's
    Json locator;             ///< how this machine finds the source: {"path": "/abs/file", ...}; the hashed files

    bool operator==(Cell const& other) const { return canonical == other.canonical; }
};

/// The workload and its options as people read them: "attention {"queries":4}".
std::string workload_text(Cell const& cell);
/// Writes canonical and id from the other identity members.
void identify(Cell& cell);
/// The identity members of a canonical text. Throws ConfigError where it is not one.
Cell cell_from_canonical(std::string const& canonical);
/// All members, for sending a cell to another process or rank.
Json to_json(Cell const& cell);
Cell cell_from_json(Json const& json);

}  // namespace kvstone
