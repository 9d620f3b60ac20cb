#pragma once

#include <mutex>

#include "harness/cache/segments/segment_books.hpp"
#include "harness/cache/segments/segment_files.hpp"
#include "harness/cache/segments/segment_rules.hpp"

namespace kvstone {

/// What those who read and those who write share. `mutex` is of the books and the counters; nobody holds it over a read or a
/// write.
struct SegmentShared {
    SegmentShared(std::string const& folder, SegmentRules const& the_rules, FileCalls& calls)
        : rules(the_rules), files(folder, the_rules.io, calls) {}

    SegmentRules const rules;
    SegmentFiles files;
    std::mutex mutex;
    SegmentBooks books;
    SegmentCounters counters;  ///< what happened
};

}  // namespace kvstone
