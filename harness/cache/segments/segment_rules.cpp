#include "harness/cache/segments/segment_rules.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// The place of a name in a list, as a value of the enumeration whose names they are.
template <class Enumeration>
Enumeration named(std::string_view name, std::vector<std::string> const& names, char const* what) {
    auto const found = std::ranges::find(names, name);
    if (found == names.end()) throw ConfigError(what, std::string(name), names);
    return static_cast<Enumeration>(found - names.begin());
}

}  // namespace

std::vector<std::string> const& segment_io_names() {
    static std::vector<std::string> const names = {"buffered", "direct", "io_uring"};
    return names;
}
std::vector<std::string> const& segment_sync_names() {
    static std::vector<std::string> const names = {"none", "segment", "entry"};
    return names;
}
std::string const& name_of(SegmentIo io) { return segment_io_names()[static_cast<std::size_t>(io)]; }
std::string const& name_of(SegmentSync sync) { return segment_sync_names()[static_cast<std::size_t>(sync)]; }
SegmentIo segment_io(std::string_view name) {
    return named<SegmentIo>(name, segment_io_names(), "unknown way to the disk");
}
SegmentSync segment_sync(std::string_view name) {
    return named<SegmentSync>(name, segment_sync_names(), "unknown sync rule");
}

void SegmentRules::check() const {
    constexpr std::uint64_t least = 4096;
    constexpr std::uint64_t most = std::uint64_t{1} << 30;
    if (segment_bytes < least || segment_bytes > most)
        throw ConfigError("the size of a segment is out of range", fmt::format("{} bytes", segment_bytes),
                          {fmt::format("{} to {} bytes", least, most)});
    if (budget_bytes / 2 < segment_bytes)
        throw ConfigError("the budget does not hold two segments", fmt::format("{} bytes", budget_bytes),
                          {fmt::format("{} bytes and more with segments of {}", 2 * segment_bytes, segment_bytes)});
    if (reads_in_flight < 1 || reads_in_flight > 4096)
        throw ConfigError("the number of reads in flight is out of range", std::to_string(reads_in_flight),
                          {"1 to 4096"});
}

std::string SegmentMode::text(SegmentIo asked_for) const {
    if (refused_errno == 0) return name_of(io);
    return fmt::format("{} ({} refused at {}: {})", name_of(io), name_of(asked_for), refused_at,
                       std::strerror(refused_errno));
}

double SegmentCounters::write_amplification() const {
    return payload_bytes_written == 0
               ? 0
               : static_cast<double>(disk_bytes_written) / static_cast<double>(payload_bytes_written);
}

}  // namespace kvstone
