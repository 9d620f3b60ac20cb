#pragma once
// The `sources:` of a scenario, found and identified.

#include <string>
#include <vector>

#include "scenarios/cell.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/yaml_reader.hpp"

namespace kvstone {

struct SourceEntry {
    Json source;   ///< as Cell::source
    Json locator;  ///< as Cell::locator
    std::string name;
    std::vector<std::string> other_names = {};  ///< names of later entries with the same source
    bool operator==(SourceEntry const& other) const { return source == other.source; }
};

/// Files of a scenario: relative paths start at its folder.
struct SourceFiles {
    std::string folder;

    /// The absolute path of a file named at `value`.
    std::string absolute(YamlValue const& value, std::string const& path) const;
    /// Its SHA-256 and that of files read through it (see named_hash()); where `expected` is given, the digest it must
    /// have. Refused at `value` where one of these files cannot be read.
    std::string hash(YamlValue const& value, std::string const& path, YamlValue const* expected = nullptr) const;
    /// The files named by a path, a pattern ("dumps/*.npz") or a list of both, sorted within each pattern.
    std::vector<std::pair<YamlValue const*, std::string>> matching(YamlValue const& value) const;
};

/// sources:
///   - model: {gguf: tiny | tiny-q8_0 | tiny-q4_0 | FETCHED | FILE | PATTERN | [...], text: builtin | FILE, sha256: H, gpu_layers: N, reference: MODEL}
///     (path: for gguf:; FETCHED: see Vocabulary; text: builtin if left out; gpu_layers: of workload model, 0 if left out;
///     reference: one more model, whose answers with a plain cache those of workloads with a model in the loop are compared
///     with, in place of the model's own)
///   - dump: {path: FILE | PATTERN | [...], sha256, k, v, q, k_prerope, layout, dtype, scale, kv_heads, batch, shape, latent, rope}
///                                                                                                  (one each)
///   - synthetic: {shape: NAME | FILE, layers, heads, kv_heads, head_dim, latent, rope_base, distribution, format, seed}
///     (own numbers win; latent: of the one KV head's channels, those of latent attention, which has no V; format: of llama,
///     1 or 2, the newest if left out)
/// A name with {layer} in it ("past_key_values.{layer}.0") stands for one array a layer, and `layout:` then for the axes
/// of each. `dtype:` names the elements of arrays of an opaque type (u8, U16, I16, V2...); `scale:` is an array of one
/// value, or a number; `batch:` takes one sequence of a layout with that axis, all of them (as heads) if left out; `kv_heads:` says how many heads the axis dim holds, where they have no axis of their own. `rope:`
/// is the config.json of the model that K comes from, as `shape:` may be: its numbers are copied, and nothing else of
/// it is kept. For a dump, `latent:`, or the `shape:` of a model that has one, says that K is latent attention's: this
/// many channels in front of each vector are the latent, as in serving engines. Each entry may have a `name:`, its
/// display name. Without one it is called after model, file or shape, with -2, -3... where two would have one name.
/// Identical sources are taken once under the first name given to one of them; the names of the others mean the same
/// source.
std::vector<SourceEntry> sources_of(YamlValue const& list, SourceFiles const& files, Vocabulary const& vocabulary);

/// Vocabulary::shape of a name, or of the file of a path that ends with ".json". Refused at `shape`.
Json shape_facts_at(YamlValue const& shape, SourceFiles const& files, Vocabulary const& vocabulary);

std::vector<SourceEntry> model_sources(YamlValue const& value, SourceFiles const& files, Vocabulary const& vocabulary);
std::vector<SourceEntry> dump_sources(YamlValue const& value, SourceFiles const& files, Vocabulary const& vocabulary);
SourceEntry synthetic_source(YamlValue const& value, SourceFiles const& files, Vocabulary const& vocabulary);

}  // namespace kvstone
