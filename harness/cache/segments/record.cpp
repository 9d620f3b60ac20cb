#include "harness/cache/segments/record.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include <xxhash.h>

namespace kvstone {
namespace {

constexpr std::string_view magic = "KVSEGREC";
constexpr std::uint32_t version = 1;
constexpr std::size_t hashed_header_bytes = 120;
constexpr std::size_t erasure_bytes = sizeof(BlockKey) + 8;
static_assert(erasures_of_a_record == (direct_alignment - record_header_bytes) / erasure_bytes);

template <class Number>
void put_number(std::byte* at, Number number) {
    for (std::size_t i = 0; i < sizeof number; ++i) at[i] = static_cast<std::byte>(number >> (8 * i));
}
template <class Number>
Number number_at(std::byte const* at) {
    Number number = 0;
    for (std::size_t i = 0; i < sizeof number; ++i)
        number |= static_cast<Number>(std::to_integer<Number>(at[i]) << (8 * i));
    return number;
}

}  // namespace

void write_record(std::span<std::byte> to, RecordHeader header, std::span<std::byte const> payload) {
    auto* const at = to.data();
    std::memset(at, 0, record_header_bytes);
    std::memcpy(at, magic.data(), magic.size());
    put_number(at + 8, version);
    put_number(at + 12, static_cast<std::uint32_t>(header.kind));
    put_number(at + 16, header.segment);
    put_number(at + 24, header.offset);
    put_number(at + 32, header.sequence);
    put_number(at + 40, static_cast<std::uint64_t>(payload.size()));
    std::memcpy(at + 48, header.key.data(), header.key.size());
    put_number(at + 80, std::uint64_t{XXH3_64bits(payload.data(), payload.size())});
    put_number(at + hashed_header_bytes, std::uint64_t{XXH3_64bits(at, hashed_header_bytes)});
    std::ranges::copy(payload, at + record_header_bytes);
    std::ranges::fill(to.subspan(record_header_bytes + payload.size()), std::byte{0});
}

std::optional<RecordHeader> read_header(std::span<std::byte const> bytes) {
    if (bytes.size() < record_header_bytes) return std::nullopt;
    auto const* const at = bytes.data();
    if (std::memcmp(at, magic.data(), magic.size()) != 0 || number_at<std::uint32_t>(at + 8) != version ||
        number_at<std::uint64_t>(at + hashed_header_bytes) != XXH3_64bits(at, hashed_header_bytes))
        return std::nullopt;
    auto const kind = number_at<std::uint32_t>(at + 12);
    if (kind != static_cast<std::uint32_t>(RecordKind::block) &&
        kind != static_cast<std::uint32_t>(RecordKind::erasures))
        return std::nullopt;
    RecordHeader header{.kind = static_cast<RecordKind>(kind),
                        .segment = number_at<std::uint64_t>(at + 16),
                        .offset = number_at<std::uint64_t>(at + 24),
                        .sequence = number_at<std::uint64_t>(at + 32),
                        .payload_bytes = number_at<std::uint64_t>(at + 40),
                        .payload_hash = number_at<std::uint64_t>(at + 80)};
    std::memcpy(header.key.data(), at + 48, header.key.size());
    return header;
}

std::optional<std::span<std::byte const>> read_payload(RecordHeader const& header, std::span<std::byte const> record) {
    if (record.size() < record_header_bytes || record.size() - record_header_bytes < header.payload_bytes)
        return std::nullopt;
    auto const payload = record.subspan(record_header_bytes, header.payload_bytes);
    if (XXH3_64bits(payload.data(), payload.size()) != header.payload_hash) return std::nullopt;
    return payload;
}

std::vector<std::byte> erasures_payload(std::span<Erasure const> erasures) {
    std::vector<std::byte> payload(erasure_bytes * erasures.size());
    auto* at = payload.data();
    for (auto const& erasure : erasures) {
        std::memcpy(at, erasure.key.data(), erasure.key.size());
        put_number(at + erasure.key.size(), erasure.sequence);
        at += erasure_bytes;
    }
    return payload;
}

std::vector<Erasure> read_erasures(std::span<std::byte const> payload) {
    std::vector<Erasure> erasures(payload.size() / erasure_bytes);
    auto const* at = payload.data();
    for (auto& erasure : erasures) {
        std::memcpy(erasure.key.data(), at, erasure.key.size());
        erasure.sequence = number_at<std::uint64_t>(at + erasure.key.size());
        at += erasure_bytes;
    }
    return erasures;
}

}  // namespace kvstone
