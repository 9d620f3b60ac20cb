#include "codecs/container/container.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#define XXH_STATIC_LINKING_ONLY  // the hash's state lies on the stack

#include <fmt/format.h>
#include <xxhash.h>

#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

static_assert(std::endian::native == std::endian::little, "containers and planes are written as the host has them");

constexpr std::size_t alignment = 8;
constexpr std::uint64_t largest_plane = std::uint64_t{1} << 56;

/// The fixed part, as it lies in memory.
struct FixedHeader {
    std::array<char, 8> magic{'K', 'V', 's', 't', 'o', 'n', 'e', '\0'};
    std::uint32_t version = container_version;
    std::uint32_t header_bytes = 0;
    std::uint64_t total_bytes = 0;
    std::uint64_t checksum = 0;
    std::uint8_t component = 0;
    std::uint8_t type = 0;
    std::uint16_t zero = 0;
    std::uint32_t codec_bytes = 0;
    std::array<std::uint64_t, 4> shape{};
    std::uint32_t formats_bytes = 0;
    std::uint32_t plane_count = 0;
};
static_assert(sizeof(FixedHeader) == 80);
constexpr std::size_t checksum_at = 24;
constexpr std::size_t after_checksum = 32;

/// SplitMix64's output for a counter.
constexpr std::uint64_t scattered(std::uint64_t counter) {
    auto bits = counter * 0x9e3779b97f4a7c15U;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebU;
    return bits ^ bits >> 31;
}

constexpr std::uint64_t padded(std::uint64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

void check(bool holds, std::string const& what) {
    if (!holds) throw CorruptData("container: " + what);
}

FixedHeader read_fixed(std::span<std::byte const> container) {
    FixedHeader header;
    auto const expected_magic = header.magic;
    check(container.size() >= sizeof(header), fmt::format("{} bytes are too few", container.size()));
    std::memcpy(&header, container.data(), sizeof(header));
    check(header.magic == expected_magic, "not a KVstone container");
    check(header.version == container_version,
          fmt::format("layout version {}, this program reads {}", header.version, container_version));
    check(header.total_bytes == container.size(),
          fmt::format("{} bytes where its header says {}", container.size(), header.total_bytes));
    check(header.checksum == checksum_of(container), "checksum does not match");
    check(header.component <= 1 && header.type <= 2 && header.zero == 0, "unknown component or element type");
    return header;
}

}  // namespace

std::uint64_t checksum_of(std::span<std::byte const> container) {
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, container.data(), checksum_at);
    XXH3_64bits_update(&state, container.data() + after_checksum, container.size() - after_checksum);
    return XXH3_64bits_digest(&state);
}

std::uint64_t container_bytes(std::span<std::byte const> bytes) {
    FixedHeader header;
    auto const expected_magic = header.magic;
    check(bytes.size() >= sizeof(header), fmt::format("{} bytes are too few", bytes.size()));
    std::memcpy(&header, bytes.data(), sizeof(header));
    check(header.magic == expected_magic, "not a KVstone container");
    check(header.total_bytes >= sizeof(header) && header.total_bytes <= bytes.size(),
          fmt::format("{} bytes where its header says {}", bytes.size(), header.total_bytes));
    return header.total_bytes;
}

std::string stage_formats(Codec const& codec) {
    std::string text;
    for (auto const& rule : codec.rules()) {
        for (auto const& stage : rule.pipeline) {
            if (!text.empty()) text += ',';
            text += fmt::format("{}={}", stage.name, stage_registry().at(stage.name).info.format_version);
        }
    }
    return text;
}

ByteLedger container_ledger(std::string const& codec, std::string const& formats, std::span<StoredPlane const> planes) {
    ByteLedger ledger;
    auto const texts = codec.size() + formats.size();
    ledger.bill(LedgerLine::headers, sizeof(FixedHeader) + texts + planes.size() * sizeof(std::uint64_t));
    ledger.bill(LedgerLine::padding, padded(texts) - texts);
    for (auto const& plane : planes) {
        ledger.bill(plane.line, plane.bytes);
        ledger.bill(LedgerLine::padding, padded(plane.bytes) - plane.bytes);
    }
    return ledger;
}

std::vector<std::byte> write_container(ContainerInfo const& info, std::string const& formats,
                                       std::span<StoredPlane const> planes) {
    auto const texts = padded(info.codec.size() + formats.size());
    FixedHeader header;
    header.header_bytes = static_cast<std::uint32_t>(sizeof(header) + texts + planes.size() * sizeof(std::uint64_t));
    header.total_bytes = container_ledger(info.codec, formats, planes).stored_bytes();
    header.component = static_cast<std::uint8_t>(info.component);
    header.type = static_cast<std::uint8_t>(info.type);
    header.codec_bytes = static_cast<std::uint32_t>(info.codec.size());
    header.shape = {info.shape.layers, info.shape.heads, info.shape.tokens, info.shape.dim};
    header.formats_bytes = static_cast<std::uint32_t>(formats.size());
    header.plane_count = static_cast<std::uint32_t>(planes.size());

    std::vector<std::byte> container(header.total_bytes);
    std::memcpy(container.data(), &header, sizeof(header));
    std::memcpy(container.data() + sizeof(header), info.codec.data(), info.codec.size());
    std::memcpy(container.data() + sizeof(header) + info.codec.size(), formats.data(), formats.size());
    auto* entry = container.data() + sizeof(header) + texts;
    auto* at = container.data() + header.header_bytes;
    for (auto const& plane : planes) {
        auto const word = plane.bytes | static_cast<std::uint64_t>(plane.line) << 56;
        std::memcpy(entry, &word, sizeof(word));
        entry += sizeof(word);
        if (plane.bytes > 0) std::memcpy(at, plane.data, plane.bytes);
        at += padded(plane.bytes);
    }
    reseal_container(container);
    return container;
}

ContainerContents read_container(std::span<std::byte const> container) {
    auto const header = read_fixed(container);
    auto const texts = padded(std::uint64_t{header.codec_bytes} + header.formats_bytes);
    auto const header_bytes = sizeof(header) + texts + std::uint64_t{header.plane_count} * sizeof(std::uint64_t);
    check(header_bytes == header.header_bytes && header_bytes <= container.size(), "header lengths disagree");

    ContainerContents contents;
    auto const text = [&](std::size_t first, std::size_t bytes) {
        return std::string(reinterpret_cast<char const*>(container.data()) + first, bytes);
    };
    contents.info.version = header.version;
    contents.info.codec = text(sizeof(header), header.codec_bytes);
    contents.formats = text(sizeof(header) + header.codec_bytes, header.formats_bytes);
    contents.info.component = static_cast<Component>(header.component);
    contents.info.type = static_cast<ElementType>(header.type);
    contents.info.shape = {header.shape[0], header.shape[1], header.shape[2], header.shape[3]};

    auto at = header_bytes;
    contents.planes.reserve(header.plane_count);
    for (std::uint32_t i = 0; i < header.plane_count; ++i) {
        std::uint64_t word = 0;
        std::memcpy(&word, container.data() + sizeof(header) + texts + i * sizeof(word), sizeof(word));
        StoredPlane plane{static_cast<LedgerLine>(word >> 56), word % largest_plane, container.data() + at};
        check((word >> 56) < static_cast<std::uint64_t>(LedgerLine::mask), "unknown kind of plane");
        check(padded(plane.bytes) <= container.size() - at, "a plane ends beyond the container");
        at += padded(plane.bytes);
        contents.planes.push_back(plane);
    }
    check(at == container.size(), "bytes after the last plane");
    contents.info.ledger = container_ledger(contents.info.codec, contents.formats, contents.planes);
    return contents;
}

bool corrupt_container(std::span<std::byte> container, unsigned round) {
    constexpr std::uint64_t most_bytes = 4096;
    auto const contents = read_container(container);
    std::uint64_t corrupted = 0;
    for (auto const& plane : contents.planes) {
        auto const first = static_cast<std::size_t>(plane.data - container.data());
        auto const count = std::min(most_bytes, plane.bytes);
        for (std::uint64_t which = 0; which < count; ++which, ++corrupted) {
            auto const random = scattered((std::uint64_t{round} << 48) + corrupted + 1);
            auto const place = count == plane.bytes ? which : (random >> 8) % plane.bytes;
            container[first + place] ^= round == 0 ? std::byte{0xFF} : static_cast<std::byte>(1 + random % 255);
        }
    }
    if (corrupted > 0) reseal_container(container);
    return corrupted > 0;
}

void reseal_container(std::span<std::byte> container) {
    if (container.size() < sizeof(FixedHeader)) return;
    auto const checksum = checksum_of(container);
    std::memcpy(container.data() + checksum_at, &checksum, sizeof(checksum));
}

ContainerInfo inspect_container(std::span<std::byte const> container) { return read_container(container).info; }

}  // namespace kvstone
