// A segment file, a part of which was replaced: its blocks are right or missing. The same with checksums that fit again: what
// its headers say is not to be trusted, and the store goes on with it.

#include <cstdint>
#include <cstdlib>
#include <string>

#include <xxhash.h>

#include "harness/cache/segments/segment_store.hpp"
#include "tests/fuzz/spliced.hpp"
#include "tests/harness/cache/segments/memory_files.hpp"

namespace kvstone {
namespace {

constexpr SegmentRules rules{
    .segment_bytes = 64 << 10, .budget_bytes = 512 << 10, .io = SegmentIo::io_uring, .reads_in_flight = 3};
constexpr std::size_t page = 4096;
char const* const first = "cold/segment-0000000000000001.kvs";
constexpr std::uint8_t blocks = 5;

BlockKey key_of(std::uint8_t number) {
    BlockKey key{};
    key.fill(number);
    return key;
}
std::string bytes_of(std::uint8_t number) {
    return std::string(std::size_t{1500} * number, static_cast<char>('a' + number));
}
std::span<std::byte const> as_span(std::string const& text) { return std::as_bytes(std::span(text)); }

/// Blocks 0 to 4 in two segments, and the erasure of block 1.
std::map<std::string, std::string> good_folder() {
    MemoryFiles files;
    SegmentStore store("cold", rules, files);
    for (std::uint8_t i = 0; i < blocks; ++i) store.put(key_of(i), as_span(bytes_of(i)));
    store.erase(key_of(1));
    store.flush();
    store.put(key_of(9), as_span(std::string(60'000, 'z')));
    return files.contents();
}

void set_number(std::string& bytes, std::size_t at, std::uint64_t number) {
    for (std::size_t i = 0; i < 8; ++i) bytes[at + i] = static_cast<char>(number >> (8 * i));
}

std::string resealed(std::string bytes) {
    for (std::size_t at = 0; at + page <= bytes.size(); at += page) {
        std::uint64_t length = 0;
        for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[at + 40 + i]);
        if (length <= bytes.size() - at - 128) set_number(bytes, at + 80, XXH3_64bits(&bytes[at + 128], length));
        set_number(bytes, at + 120, XXH3_64bits(&bytes[at], 120));
    }
    return bytes;
}

void require(bool holds) {
    if (!holds) std::abort();
}

/// Opens, reads, writes and opens again. `right`: found blocks equal the put ones.
void use(std::map<std::string, std::string> const& contents, bool right) {
    MemoryFiles files;
    for (auto const& [path, bytes] : contents) files.write(path, bytes);
    auto const opened = [&] {
        SegmentStore store("cold", rules, files);
        auto const counters = store.counters();
        std::uint64_t disk_bytes = 0;
        for (auto const& [path, bytes] : files.contents()) disk_bytes += bytes.size();
        require(counters.disk_bytes == disk_bytes && disk_bytes <= rules.budget_bytes);
        require(counters.dead_bytes <= disk_bytes && counters.payload_bytes <= disk_bytes);
        std::vector<BlockKey> keys;
        for (std::uint8_t i = 0; i < blocks; ++i) keys.push_back(key_of(i));
        std::size_t told = 0;
        store.get_many(keys, [&](std::size_t i, std::optional<StoredBlock> block) {
            ++told;
            auto const expected = bytes_of(static_cast<std::uint8_t>(i));
            require(!right || !block || std::ranges::equal(block->bytes(), as_span(expected)));
        });
        require(told == keys.size());
        return counters.entries;
    };
    opened();
    {
        SegmentStore store("cold", rules, files);
        store.put(key_of(100), as_span(bytes_of(7)));
        store.erase(key_of(2));
    }
    auto const entries = opened();
    require(opened() == entries);
    SegmentStore store("cold", rules, files);
    require(!store.holds(key_of(2)));
    auto const block = store.get(key_of(100));
    require(block && std::ranges::equal(block->bytes(), as_span(bytes_of(7))));
}

}  // namespace
}  // namespace kvstone

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace kvstone;
    static auto const good = good_folder();
    auto altered = good;
    altered[first] = spliced(good.at(first), data, size);
    use(altered, true);
    altered[first] = resealed(altered[first]);
    use(altered, false);
    // As the newest.
    std::map<std::string, std::string> alone = {{first, altered[first]}};
    use(alone, false);
    return 0;
}
