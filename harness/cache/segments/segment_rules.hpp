#pragma once
// Settings of a store of segments, its counters, and the way to the disk that it really uses.

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

/// When written blocks are made durable. A durable block is *promised*: it is found again after a crash of the machine.
enum class SegmentSync : std::uint8_t {
    none,     ///< never: the system decides when to write, and no block is promised
    segment,  ///< when a segment is full, and in flush()
    entry,    ///< before put(), put_many() and erase() return
};

/// Their names for users: buffered, direct, io_uring; none, segment, entry.
std::vector<std::string> const& segment_io_names();
std::vector<std::string> const& segment_sync_names();
std::string const& name_of(SegmentIo io);
std::string const& name_of(SegmentSync sync);
/// Throw ConfigError with the accepted names.
SegmentIo segment_io(std::string_view name);
SegmentSync segment_sync(std::string_view name);

struct SegmentRules {
    /// The most bytes of one segment file. A block that does not fit, its header included, is refused.
    std::uint64_t segment_bytes = std::uint64_t{64} << 20;
    /// The most bytes of all segment files: including headers, padding and dead records. At least two segments.
    std::uint64_t budget_bytes = std::uint64_t{1} << 30;
    SegmentIo io = SegmentIo::buffered;
    SegmentSync sync = SegmentSync::none;
    unsigned reads_in_flight = 16;  ///< of io_uring

    /// Throws ConfigError: segments of 4 KiB to 1 GiB, a budget of two segments at least, 1 to 4,096 reads in flight.
    void check() const;
};

/// The way to the disk that is used; it differs from the one asked for where the system refused that one.
struct SegmentMode {
    SegmentIo io = SegmentIo::buffered;
    int refused_errno = 0;        ///< of the last refusal; 0: none
    std::string refused_at = {};  ///< "open", "write", "read" or "io_uring"; empty: none
    /// "direct", or "buffered (direct refused at open: Invalid argument)": for a row.
    std::string text(SegmentIo asked_for) const;
};

/// disk_bytes = bytes of the records held + dead_bytes.
struct SegmentCounters {
    // The present content, from this process and earlier ones: the same after a restart.
    std::uint64_t entries = 0;
    std::uint64_t payload_bytes = 0;
    std::uint64_t disk_bytes = 0;  ///< lengths of all segment files
    std::uint64_t dead_bytes = 0;  ///< of them: erased, replaced and corrupt records, tombstones
    std::uint64_t segments = 0;
    // Events since the store was opened.
    std::uint64_t puts = 0;
    std::uint64_t too_large = 0;              ///< blocks refused because they are larger than a segment
    std::uint64_t erases = 0;                 ///< of present blocks
    std::uint64_t gets = 0;                   ///< gets = hits + misses
    std::uint64_t hits = 0;                   ///< blocks handed out, their bytes verified
    std::uint64_t payload_bytes_written = 0;  ///< payload of callers' blocks
    std::uint64_t disk_bytes_written = 0;     ///< bytes written for it: with headers, padding and tombstones
    std::uint64_t payload_bytes_read = 0;
    std::uint64_t segments_evicted = 0;  ///< segments with blocks that were evicted
    std::uint64_t segments_emptied = 0;  ///< removed when their last block had been erased
    std::uint64_t entries_evicted = 0;
    std::uint64_t payload_bytes_evicted = 0;
    std::uint64_t corrupt_records = 0;  ///< headers or payloads that fail their checksum: misses
    std::uint64_t torn_bytes = 0;       ///< cut off the end of a segment: records that were not completely written
    std::uint64_t short_reads = 0;      ///< reads that gave fewer bytes than asked for; they were continued
    std::uint64_t read_errors = 0;      ///< reads that the system refused (EIO): misses
    std::uint64_t write_errors = 0;     ///< writes and syncs that failed (ENOSPC, EIO), each thrown as a SystemError
    std::uint64_t syncs = 0;

    /// disk_bytes_written / payload_bytes_written; 0 before the first write.
    double write_amplification() const;
};

}  // namespace kvstone
