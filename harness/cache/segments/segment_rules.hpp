#pragma once
// What a store of segments is told, what it counts, and which way to the disk it really took.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvstone {

/// The way to the disk.
enum class SegmentIo : std::uint8_t {
    buffered,  ///< through the page cache: reads may come from memory
    direct,    ///< O_DIRECT, one read at a time
    io_uring,  ///< O_DIRECT, up to SegmentRules::reads_in_flight reads at a time
};

/// When what was written is made durable. Once it is, it is *promised*: found again after a crash of the machine.
enum class SegmentSync : std::uint8_t {
    none,     ///< never: the system writes when it likes, and nothing is promised
    segment,  ///< when a segment is full, and in flush()
    entry,    ///< before put(), put_many() and erase() return
};

/// As users write them: buffered, direct, io_uring; none, segment, entry.
std::vector<std::string> const& segment_io_names();
std::vector<std::string> const& segment_sync_names();
std::string const& name_of(SegmentIo io);
std::string const& name_of(SegmentSync sync);
/// Throw ConfigError with the names that are accepted.
SegmentIo segment_io(std::string_view name);
SegmentSync segment_sync(std::string_view name);

struct SegmentRules {
    /// The most bytes of one segment file. A block that does not fit, its header included, is refused.
    std::uint64_t segment_bytes = std::uint64_t{64} << 20;
    /// The most bytes of all segment files: headers, padding and dead records count. At least two segments.
    std::uint64_t budget_bytes = std::uint64_t{1} << 30;
    SegmentIo io = SegmentIo::buffered;
    SegmentSync sync = SegmentSync::none;
    unsigned reads_in_flight = 16;  ///< of io_uring

    /// Throws ConfigError: segments of 4 KiB to 1 GiB, a budget of two segments at least, 1 to 4,096 reads in flight.
    void check() const;
};

/// The way to the disk that is used, which is not the one asked for where the system refused that.
struct SegmentMode {
    SegmentIo io = SegmentIo::buffered;
    int refused_errno = 0;        ///< of the last refusal; 0: nothing was refused
    std::string refused_at = {};  ///< "open", "write", "read" or "io_uring"; empty: nothing was refused
    /// "direct", or "buffered (direct refused at open: Invalid argument)": for a row.
    std::string text(SegmentIo asked_for) const;
};

/// disk_bytes = bytes of the records held + dead_bytes.
struct SegmentCounters {
    // What is there, whoever wrote it: the same after a restart.
    std::uint64_t entries = 0;
    std::uint64_t payload_bytes = 0;
    std::uint64_t disk_bytes = 0;  ///< lengths of all segment files
    std::uint64_t dead_bytes = 0;  ///< of them those of no block held: erased, replaced and corrupt records, tombstones
    std::uint64_t segments = 0;
    // What happened since the store was opened.
    std::uint64_t puts = 0;
    std::uint64_t too_large = 0;              ///< blocks refused since no segment has room for one of that size
    std::uint64_t erases = 0;                 ///< of blocks that were held
    std::uint64_t gets = 0;                   ///< gets = hits + misses
    std::uint64_t hits = 0;                   ///< blocks handed out, their bytes verified
    std::uint64_t payload_bytes_written = 0;  ///< what callers put
    std::uint64_t disk_bytes_written = 0;     ///< what that took: with headers, padding and tombstones
    std::uint64_t payload_bytes_read = 0;
    std::uint64_t segments_evicted = 0;  ///< with blocks in them
    std::uint64_t segments_emptied = 0;  ///< removed when their last block had been erased
    std::uint64_t entries_evicted = 0;
    std::uint64_t payload_bytes_evicted = 0;
    std::uint64_t corrupt_records = 0;  ///< headers or payloads that are not what they say of themselves: misses
    std::uint64_t torn_bytes = 0;       ///< cut off the end of a segment: records that were never wholly written
    std::uint64_t short_reads = 0;      ///< reads that gave less than was asked for; they were continued
    std::uint64_t read_errors = 0;      ///< reads that the system refused (EIO): misses
    std::uint64_t write_errors = 0;     ///< writes and syncs that failed (ENOSPC, EIO), each told as a SystemError
    std::uint64_t syncs = 0;

    /// disk_bytes_written / payload_bytes_written; 0 before anything was written.
    double write_amplification() const;
};

}  // namespace kvstone
