#include "harness/cache/segments/segment_writer.hpp"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {

void SegmentWriter::go_on(std::uint64_t newest, std::uint64_t next_segment, std::uint64_t next_sequence) {
    newest_ = newest;
    next_segment_ = next_segment;
    next_sequence_ = next_sequence;
}

std::uint64_t SegmentWriter::newest_bytes() const {
    std::lock_guard const lock(shared_.mutex);
    return shared_.books.segment_bytes(newest_);
}

void SegmentWriter::make_place(std::uint64_t bytes) {
    if (newest_ != 0 && newest_bytes() + bytes <= shared_.rules.segment_bytes) return;
    if (auto const full = std::exchange(newest_, 0); full != 0 && shared_.rules.sync == SegmentSync::segment)
        sync(full);
    make_room(bytes);  // before there is one more file
    auto const number = next_segment_;
    try {
        shared_.files.open(number, true);
    } catch (SystemError const&) {
        std::lock_guard const lock(shared_.mutex);
        ++shared_.counters.write_errors;
        throw;
    }
    folder_unsynced_ = true;
    newest_ = number;
    ++next_segment_;
    std::lock_guard const lock(shared_.mutex);
    shared_.books.add_segment(number);
}

std::size_t SegmentWriter::put_some(std::span<BlockToStore const> blocks) {
    make_place(record_bytes(blocks.front().bytes.size()));
    start_batch();
    std::size_t taken = 0;
    while (taken < blocks.size() && batch_.add(RecordKind::block, blocks[taken].key, blocks[taken].bytes)) ++taken;
    write_batch();
    return taken;
}

void SegmentWriter::start_batch() {
    auto const offset = newest_bytes();
    batch_.start(newest_, offset, shared_.rules.segment_bytes - offset, next_sequence_);
}

void SegmentWriter::write_batch() {
    make_room(batch_.bytes().size());
    try {
        write_bytes();
        unsynced_.insert(newest_);
        if (shared_.rules.sync == SegmentSync::entry) sync(newest_);
    } catch (SystemError const&) {
        take_back();
        throw;
    }
    next_sequence_ = batch_.next_sequence();
    {
        std::lock_guard const lock(shared_.mutex);
        shared_.books.set_segment_bytes(newest_, batch_.offset() + batch_.bytes().size());
        for (auto const& block : batch_.blocks()) shared_.books.add(block.key, block.place);
        shared_.counters.puts += batch_.blocks().size();
        shared_.counters.payload_bytes_written += batch_.payload_bytes();
        shared_.counters.disk_bytes_written += batch_.bytes().size();
    }
    remove_dead_segments();
}

void SegmentWriter::write_bytes() {
    auto file = shared_.files.open(newest_);
    auto const bytes = batch_.bytes();
    std::size_t done = 0;
    int stalls = 0;
    while (done < bytes.size()) {
        auto const result = shared_.files.calls().pwrite(file->file(), bytes.subspan(done), batch_.offset() + done);
        if (result == -EINVAL && file->direct()) {
            file = shared_.files.open_after_refusal(newest_, "write", EINVAL);
            continue;
        }
        // O_DIRECT goes on at an aligned place only.
        auto next = done + static_cast<std::size_t>(std::max<std::int64_t>(result, 0));
        if (file->direct()) next = next / direct_alignment * direct_alignment;
        if (result >= 0 && next == done && ++stalls > 16) fail(shared_.files.path(newest_), EIO);
        if (result < 0)
            fail(fmt::format("{}: no block of {} bytes was written", shared_.files.path(newest_), bytes.size()),
                 static_cast<int>(-result));
        done = next;
    }
}

/// The file as it was before the batch; where that cannot be, it gets no more records.
void SegmentWriter::take_back() {
    auto const number = batch_.segment();
    try {
        auto const file = shared_.files.open(number);
        auto& calls = shared_.files.calls();
        if (calls.ftruncate(file->file(), batch_.offset()) >= 0) return;
        newest_ = 0;
        auto const bytes = calls.size(file->file());
        std::lock_guard const lock(shared_.mutex);
        if (bytes > 0) shared_.books.set_segment_bytes(number, static_cast<std::uint64_t>(bytes));
    } catch (SystemError const&) {
        newest_ = 0;
    }
}

bool SegmentWriter::erase(BlockKey const& key) {
    {
        std::lock_guard const lock(shared_.mutex);
        auto const place = shared_.books.find(key);
        if (!place) return false;
        shared_.books.forget(key, place->sequence);
        ++shared_.counters.erases;
        erasures_.push_back({{key, place->sequence}, place->segment});
    }
    if (shared_.rules.sync == SegmentSync::entry || erasures_.size() >= erasures_of_a_record) write_erasures();
    remove_dead_segments();
    return true;
}

void SegmentWriter::write_erasures() {
    // A block whose segment has gone needs none.
    std::erase_if(erasures_, [&](PendingErasure const& pending) {
        std::lock_guard const lock(shared_.mutex);
        return !shared_.books.has_segment(pending.segment);
    });
    while (!erasures_.empty()) {
        std::vector<Erasure> some;
        for (auto const& pending : erasures_) {
            if (some.size() == erasures_of_a_record) break;
            some.push_back(pending.erasure);
        }
        make_place(direct_alignment);
        start_batch();
        batch_.add(RecordKind::erasures, {}, erasures_payload(some));
        write_batch();
        erasures_.erase(erasures_.begin(), erasures_.begin() + static_cast<std::ptrdiff_t>(some.size()));
    }
}

void SegmentWriter::flush() {
    write_erasures();
    std::exception_ptr first;
    for (auto const number : std::set(unsynced_)) {
        try {
            sync(number);
        } catch (SystemError const&) {
            if (!first) first = std::current_exception();
        }
    }
    if (first) std::rethrow_exception(first);
    if (auto const error = sync_folder(); error < 0) fail(shared_.files.folder() + ": not durable", -error);
}

void SegmentWriter::close() noexcept {
    try {
        write_erasures();
    } catch (std::exception const&) {  // those blocks are found again
    }
}

void SegmentWriter::sync(std::uint64_t number) {
    // A failed sync is not tried again: the system counts the pages as clean, and would report success.
    unsynced_.erase(number);
    auto& calls = shared_.files.calls();
    auto error = calls.fdatasync(shared_.files.open(number)->file());
    if (error >= 0) error = sync_folder();
    if (error < 0) {
        if (number == newest_) newest_ = 0;
        fail(shared_.files.path(number) + ": not durable", -error);
    }
    std::lock_guard const lock(shared_.mutex);
    ++shared_.counters.syncs;
}

/// Files that were made or removed.
int SegmentWriter::sync_folder() {
    if (!folder_unsynced_) return 0;
    auto const error = shared_.files.calls().sync_folder(shared_.files.folder());
    if (error >= 0) folder_unsynced_ = false;
    return error;
}

void SegmentWriter::make_room(std::uint64_t bytes) {
    for (;;) {
        std::uint64_t oldest = 0;
        {
            std::lock_guard const lock(shared_.mutex);
            if (shared_.books.disk_bytes() + bytes <= shared_.rules.budget_bytes) return;
            oldest = shared_.books.oldest_segment();
        }
        if (oldest == 0 || oldest == newest_) return;  // budgets have room for a whole segment beside the newest
        remove_segment(oldest);
    }
}

void SegmentWriter::remove_segment(std::uint64_t number) {
    // First its blocks are forgotten, then it is removed.
    std::vector<EvictedBlock> evicted;
    {
        std::lock_guard const lock(shared_.mutex);
        evicted = shared_.books.forget_blocks(number);
        shared_.counters.entries_evicted += evicted.size();
        for (auto const& block : evicted) shared_.counters.payload_bytes_evicted += block.payload_bytes;
    }
    if (sink_) {
        for (auto const& block : evicted) sink_(block.key, block.payload_bytes);
    }
    shared_.files.remove(number);
    unsynced_.erase(number);
    {
        std::lock_guard const lock(shared_.mutex);
        shared_.books.remove_segment(number);
        ++(evicted.empty() ? shared_.counters.segments_emptied : shared_.counters.segments_evicted);
    }
    // Names of files may vanish in any order: a block that was erased must not come back since the newer segment that says so
    // went first.
    folder_unsynced_ = true;
    if (shared_.rules.sync != SegmentSync::none) sync_folder();
}

/// Of the oldest only: a record in another one may erase or replace a block of an older one.
void SegmentWriter::remove_dead_segments() {
    for (;;) {
        std::uint64_t oldest = 0;
        {
            std::lock_guard const lock(shared_.mutex);
            oldest = shared_.books.oldest_segment();
            if (oldest == 0 || oldest == newest_ || !shared_.books.is_dead(oldest)) return;
        }
        try {
            remove_segment(oldest);
        } catch (SystemError const&) {  // the request was carried out; the budget counts it until it is evicted
            std::lock_guard const lock(shared_.mutex);
            ++shared_.counters.write_errors;
            return;
        }
    }
}

void SegmentWriter::fail(std::string const& what, int error) {
    {
        std::lock_guard const lock(shared_.mutex);
        ++shared_.counters.write_errors;
    }
    throw SystemError(what, error);
}

}  // namespace kvstone
