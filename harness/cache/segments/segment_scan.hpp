#pragma once

#include <cstdint>
#include <vector>

#include "harness/cache/segments/record.hpp"
#include "harness/cache/segments/segment_files.hpp"

namespace kvstone {

struct ScannedRecord {
    RecordHeader header;
    std::vector<Erasure> erasures;  ///< of a record of that kind
};

/// The content of one segment file.
struct SegmentScan {
    std::uint64_t file_bytes = 0;
    std::uint64_t end = 0;  ///< behind the last intact record
    std::vector<ScannedRecord> records;
    std::uint64_t corrupt_records = 0;  ///< before `end`, and one more where bytes follow it
    std::uint64_t short_reads = 0;
    std::uint64_t read_errors = 0;  ///< 1: the bytes behind `end` could not be read
};

/// Reads a segment from its start: headers, and the payloads of erasures; with `payloads`, also those of blocks. Behind
/// bytes that are no intact record it continues at the next multiple of 4,096, so that they hide no other record.
/// Throws SystemError where the file cannot be opened.
SegmentScan scan_segment(SegmentFiles& files, std::uint64_t number, bool payloads);

}  // namespace kvstone
