#pragma once
// K and V of a cache without the tokens that a codec drops. All numbers little-endian.
//
//   offset  bytes
//        0      8  magic 4b 56 6b 65 65 70 00 00 ("KVkeep" and two zeros)
//        8      4  version of this layout, 1
//       12      4  text_bytes
//       16      8  total_bytes
//       24      8  checksum: XXH3-64 (seed 0) of bytes [0, 24) and [32, total_bytes)
//       32     32  layers, KV heads, tokens of the prompt, later tokens, 8 bytes each
//       64      1  lists of tokens: 0 one for each [layer, head], 1 for each layer, 2 one for all
//       65      1  1: V is stored; 0: there is none (latent attention)
//       66      6  zeros
//       72      -  text of the stage that drops tokens, text_bytes of it, and zeros up to a multiple of 8
//        -      -  for each list a bit for each token of the prompt, 1 where it stays, the lowest bit of a byte first:
//                  ceil(tokens / 8) bytes; behind all lists zeros up to a multiple of 8
//        -      -  containers (container.hpp) of [layer, head, tokens that stay and later ones, dim]: K, then V; where layers
//                  keep different numbers, K of each layer by itself, then V of each
//
// Ledger: bits of lists are `mask`, the header and the text are headers; both are billed with K, because V shares them.

#include <optional>
#include <span>
#include <vector>

#include "backends/backend.hpp"
#include "codecs/ledger.hpp"
#include "codecs/selection/selection.hpp"

namespace kvstone {

/// K and V of a cache in host memory, [layer, head, token, dim]. Latent attention has no V.
struct CacheViews {
    KvView k;
    std::optional<KvView> v = {};
};

/// A cache as it is stored, and its bytes by account.
struct SealedSelection {
    std::vector<std::byte> bytes;
    ByteLedger k;
    ByteLedger v;
};

/// Throws NotApplicable where a stage needs positions of tokens: those that stay are no neighbours.
void check_kept_alone(Codec const& codec);

/// Bytes in front of the containers: the header, the stage's text and the bits of so many lists of a prompt's tokens.
std::uint64_t selection_bytes(Codec const& codec, std::uint64_t lists, std::uint64_t tokens);

/// A codec that drops tokens, on one backend. The codec behind its stage `keep` sees the tokens that stay as neighbours.
class SelectedCodec {
  public:
    /// Throws as check_kept_alone(), and std::invalid_argument where the codec drops no tokens.
    SelectedCodec(Codec const& codec, BackendKind backend);

    /// Stores the selected tokens of the prompt, and all tokens that come after it. Throws ConfigError where the codec does
    /// not fit the shape, std::invalid_argument where the selection is of other layers or heads, or of more tokens.
    SealedSelection encode(CacheViews const& cache, Selection const& selection) const;

    /// Writes the stored vectors to their places in a cache of the same shape and types, and zeros to those of dropped tokens.
    /// Throws CorruptData, also where the bytes are of another codec or shape.
    Selection decode(std::span<std::byte const> sealed, CacheViews const& cache) const;

  private:
    Codec codec_;
    BackendKind backend_;
};

/// Changes bytes of the containers of sealed bytes, below all checksums, as corrupt_container() does; which tokens stay is
/// not changed. Returns whether there were any. Requires bytes from SelectedCodec::encode().
bool corrupt_selection(std::span<std::byte> sealed);

}  // namespace kvstone
