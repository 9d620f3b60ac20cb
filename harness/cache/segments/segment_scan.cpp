#include "harness/cache/segments/segment_scan.hpp"

#include <cerrno>

#include "harness/cache/segments/partial_read.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

class Scanner {
  public:
    Scanner(SegmentFiles& files, std::uint64_t number) : files_(files), number_(number) {
        auto const size = files.calls().size(files.open(number)->file());
        if (size < 0) throw SystemError(files.path(number), static_cast<int>(-size));
        scan_.file_bytes = static_cast<std::uint64_t>(size);
    }

    SegmentScan run(bool payloads) {
        std::uint64_t at = 0;
        bool lost = false;  // behind something that is no record
        while (scan_.file_bytes - at >= direct_alignment) {
            auto record = record_at(at, payloads);
            if (scan_.read_errors > 0) break;
            if (!record.intact) {
                if (!lost) ++scan_.corrupt_records;
                lost = true;
                at += direct_alignment;
                continue;
            }
            lost = false;
            at += record_bytes(record.header->payload_bytes);
            scan_.records.push_back({*record.header, std::move(record.erasures)});
            scan_.end = at;
        }
        if (at < scan_.file_bytes && !lost && scan_.read_errors == 0) ++scan_.corrupt_records;
        return std::move(scan_);
    }

  private:
    struct Found {
        std::optional<RecordHeader> header;  ///< of a record that lies here and in the file
        bool intact = false;                 ///< it has a header, and the bytes read of it fit the header
        std::vector<Erasure> erasures;
    };

    Found record_at(std::uint64_t at, bool payloads) {
        Found found;
        auto const start = read(at, direct_alignment);
        found.header = read_header(start);
        if (!found.header || found.header->segment != number_ || found.header->offset != at ||
            found.header->payload_bytes > scan_.file_bytes ||
            record_bytes(found.header->payload_bytes) > scan_.file_bytes - at) {
            found.header.reset();
            return found;
        }
        auto const erasures = found.header->kind == RecordKind::erasures;
        found.intact = true;
        if (!payloads && !erasures) return found;
        auto const header = *found.header;
        auto const payload = read_payload(header, read(at, record_bytes(header.payload_bytes)));
        found.intact = payload.has_value();
        if (payload && erasures) found.erasures = read_erasures(*payload);
        return found;
    }

    /// Less than asked for where it cannot be read. It stays until the next is read.
    std::span<std::byte const> read(std::uint64_t offset, std::uint64_t bytes) {
        if (buffer_.size() < bytes) buffer_ = AlignedBytes(bytes);
        PartialRead reading(files_.open(number_), number_, buffer_.span().first(bytes), offset);
        while (!reading.take(files_.calls().pread(reading.file(), reading.rest(), reading.offset()), files_)) {
        }
        scan_.short_reads += reading.short_reads();
        if (reading.error() > 0) scan_.read_errors = 1;
        return buffer_.span().first(reading.bytes_read());
    }

    SegmentFiles& files_;
    std::uint64_t number_;
    AlignedBytes buffer_;
    SegmentScan scan_;
};

}  // namespace

SegmentScan scan_segment(SegmentFiles& files, std::uint64_t number, bool payloads) {
    return Scanner(files, number).run(payloads);
}

}  // namespace kvstone
