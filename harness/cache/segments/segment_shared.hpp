#pragma once

#include <mutex>

#include "harness/cache/segments/segment_books.hpp"
#include "harness/cache/segments/segment_files.hpp"
#include "harness/cache/segments/segment_rules.hpp"

namespace kvstone {

/// Data that readers and writers share. `mutex` guards the accounts and the counters; it is never held during a read or
/// a write.
struct SegmentShared {
    SegmentShared(std::string const& folder, SegmentRules const& the_rules, FileCalls& calls)
        : rules(the_rules), files(folder, the_rules.io, calls) {}

    SegmentRules const rules;
    SegmentFiles files;
    std::mutex mutex;
    SegmentBooks books;
    SegmentCounters counters;  ///< events since the store was opened
};

}  // namespace kvstone
