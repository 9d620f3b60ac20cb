#pragma once
// The container: stored planes with everything needed to decode them. All numbers little-endian.
//
//   offset  bytes
//        0      8  magic 4b 56 73 74 6f 6e 65 00 ("KVstone" and a zero)
//        8      4  version of this layout, 1
//       12      4  header_bytes: offset of the first plane, a multiple of 8
//       16      8  total_bytes of the container
//       24      8  checksum: XXH3-64 (seed 0) of bytes [0, 24) and [32, total_bytes)
//       32      1  component: 0 k, 1 v
//       33      1  element type: 0 f32, 1 f16, 2 bf16
//       34      2  zero
//       36      4  codec_bytes
//       40     32  layers, heads, tokens, dim, 8 bytes each
//       72      4  formats_bytes
//       76      4  plane_count
//       80      -  codec: canonical text, codec_bytes of it
//        -      -  formats: format version of each stage of the text, in its order, "fp16=1,zstd=1"
//        -      -  zeros up to a multiple of 8
//        -      8  for each plane: its bytes in the lower 7 bytes, its ledger line in the highest
//        -      -  the planes, in order of sections (see sections.hpp) and within one in order of stages, each followed
//                  by zeros up to a multiple of 8
//
// Example: `fp16` of K, one layer, head, token and channel, the value 1.0 as f32: 112 bytes in all, 104 of them header.
//   4b 56 73 74 6f 6e 65 00  01 00 00 00 68 00 00 00  70 00 00 00 00 00 00 00  (checksum)
//   00 00 00 00 04 00 00 00  01 00 00 00 00 00 00 00  (three times)  06 00 00 00 01 00 00 00
//   66 70 31 36 66 70 31 36  3d 31 00 00 00 00 00 00  02 00 00 00 00 00 00 00  00 3c 00 00 00 00 00 00
//
// Headers of the ledger: all bytes before the planes except zeros; padding: those zeros and the zeros after planes.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "codecs/container/tensor_codec.hpp"

namespace kvstone {

inline constexpr std::uint32_t container_version = 1;

/// A stored plane as the container lists it.
struct StoredPlane {
    LedgerLine line = LedgerLine::payload;
    std::uint64_t bytes = 0;
    std::byte const* data = nullptr;
};

/// The header's fields besides ContainerInfo, and the places of the planes.
struct ContainerContents {
    ContainerInfo info;
    std::string formats;
    std::vector<StoredPlane> planes;
};

/// "fp16=1,zstd=1" for each stage of the codec in the order of its text.
std::string stage_formats(Codec const& codec);

/// Bytes of a container with these planes, by account. Planes need no data.
ByteLedger container_ledger(std::string const& codec, std::string const& formats, std::span<StoredPlane const> planes);

/// `info.ledger` is not looked at. Planes' data lies in host memory.
std::vector<std::byte> write_container(ContainerInfo const& info, std::string const& formats,
                                       std::span<StoredPlane const> planes);

/// Size of the container at the start of `bytes`, as its header says. Throws CorruptData where there is none, or where
/// `bytes` are fewer.
std::uint64_t container_bytes(std::span<std::byte const> bytes);

/// Checks magic, version, lengths and checksum; planes point into `container`. Throws CorruptData.
ContainerContents read_container(std::span<std::byte const> container);

/// Alters bytes of every plane, all of a small one and 4096 pseudo-random ones of a large one, and reseals the
/// container: decoding has to notice. Round 0 inverts them; each other round alters other bytes by other values; the
/// same round again restores them. False where there is no byte to corrupt. Throws CorruptData where it is no
/// container.
bool corrupt_container(std::span<std::byte> container, unsigned round = 0);

/// The checksum of all bytes but [24, 32), where containers and sealed selections have it.
std::uint64_t checksum_of(std::span<std::byte const> container);

/// Writes the checksum that fits the bytes, so that tests and fuzzers reach the code behind the checksum. Does nothing
/// to fewer bytes than a fixed header has.
void reseal_container(std::span<std::byte> container);

}  // namespace kvstone
