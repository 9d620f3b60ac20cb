#pragma once
// Records of segment files.
//
// A segment file holds records one behind the other, each at a multiple of 4,096 bytes. Numbers are little-endian:
//
//      0   8  "KVSEGREC"
//      8   4  version of the format, 1
//     12   4  kind: 1 a block, 2 erasures
//     16   8  number of the segment, which its file's name has, too
//     24   8  offset of the record in it: bytes copied from elsewhere are no record
//     32   8  sequence: grows with every record of the folder; of two blocks with one key the later counts
//     40   8  payload bytes
//     48  32  key (erasures: zeros)
//     80   8  XXH3-64 of the payload
//     88  32  zeros
//    120   8  XXH3-64 of the 120 bytes before
//    128      payload
//             zeros, up to a multiple of 4,096
//
// The payload of erasures is one or more of these: key, 32 bytes; sequence, 8 bytes. A block with this key and this
// sequence, or a lower one, is erased.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "harness/cache/block_key.hpp"
#include "harness/cache/segments/aligned_bytes.hpp"

namespace kvstone {

inline constexpr std::size_t record_header_bytes = 128;

enum class RecordKind : std::uint32_t { block = 1, erasures = 2 };

struct RecordHeader {
    RecordKind kind = RecordKind::block;
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint64_t sequence = 0;
    std::uint64_t payload_bytes = 0;
    BlockKey key{};
    std::uint64_t payload_hash = 0;  ///< write_record() computes it
    friend bool operator==(RecordHeader const&, RecordHeader const&) = default;
};

/// A block that must not be found again.
struct Erasure {
    BlockKey key{};
    std::uint64_t sequence = 0;
};
/// Erasures in one record of the smallest size.
inline constexpr std::size_t erasures_of_a_record = (direct_alignment - record_header_bytes) / 40;

constexpr std::uint64_t record_bytes(std::uint64_t payload_bytes) {
    return rounded_up(record_header_bytes + payload_bytes);
}

/// Fills `to` with header, payload and padding. REQUIRES: `to` has record_bytes(payload.size()) bytes.
void write_record(std::span<std::byte> to, RecordHeader header, std::span<std::byte const> payload);

/// The header at the start of `bytes`, of which there may be any number. Nothing where it is damaged, or of another
/// version.
std::optional<RecordHeader> read_header(std::span<std::byte const> bytes);
/// The payload of a whole record, or nothing where it does not fit its header.
std::optional<std::span<std::byte const>> read_payload(RecordHeader const& header, std::span<std::byte const> record);

std::vector<std::byte> erasures_payload(std::span<Erasure const> erasures);
/// REQUIRES: an intact payload. An incomplete erasure at its end is left out.
std::vector<Erasure> read_erasures(std::span<std::byte const> payload);

}  // namespace kvstone
