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

/// What one segment file holds.
struct SegmentScan {
    std::uint64_t file_bytes = 0;
    std::uint64_t end = 0;  ///< behind the last intact record
    std::vector<ScannedRecord> records;
    std::uint64_t corrupt_records = 0;  ///< before `end`, and one more where there is something behind it
    std::uint64_t short_reads = 0;
    std::uint64_t read_errors = 0;  ///< 1: what is behind `end` could not be read
};

/// Reads a segment from its start: headers, and the payloads of erasures; `payloads`: those of blocks, too. Behind something
/// that is no intact record, the next multiple of 4,096 is tried, so that it hides no other. Throws SystemError where the file
/// cannot be opened.
SegmentScan scan_segment(SegmentFiles& files, std::uint64_t number, bool payloads);

}  // namespace kvstone
