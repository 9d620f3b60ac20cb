#include "harness/cache/segments/segment_store.hpp"

#include <cerrno>

#include "harness/cache/segments/segment_reader.hpp"
#include "harness/cache/segments/segment_scan.hpp"
#include "harness/cache/segments/segment_writer.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// The folder's lock.
class FolderLock {
  public:
    FolderLock(std::string const& folder, FileCalls& calls) : calls_(calls) {
        if (auto const error = calls.make_folders(folder); error < 0) throw SystemError(folder, -error);
        file_ = calls.lock(folder + "/lock");
        if (file_ == -EWOULDBLOCK) throw SystemError(folder + ": another process has this store of segments open");
        if (file_ < 0) throw SystemError(folder + "/lock", -file_);
    }
    ~FolderLock() { calls_.close(file_); }
    FolderLock(FolderLock const&) = delete;
    FolderLock& operator=(FolderLock const&) = delete;

  private:
    FileCalls& calls_;
    int file_ = -1;
};

}  // namespace

class SegmentStore::State {
  public:
    State(std::string const& folder, SegmentRules const& rules, FileCalls& calls)
        : lock(folder, calls), shared(folder, rules, calls), reader(shared), writer(shared) {
        auto const numbers = shared.files.numbers();
        for (auto const number : numbers) find_blocks(number, number == numbers.back());
        auto const newest = numbers.empty() ? 0 : numbers.back();
        auto const goes_on =
            newest != 0 && !newest_unreadable && shared.books.segment_bytes(newest) < rules.segment_bytes;
        writer.go_on(goes_on ? newest : 0, newest + 1, last_sequence + 1);
        writer.make_room(0);
    }
    ~State() { writer.close(); }
    State(State const&) = delete;
    State& operator=(State const&) = delete;

    FolderLock lock;
    SegmentShared shared;
    SegmentReader reader;
    std::mutex writing;
    SegmentWriter writer;

  private:
    void find_blocks(std::uint64_t number, bool is_newest) {
        auto scan = scan_segment(shared.files, number, is_newest);
        if (is_newest && scan.read_errors > 0) newest_unreadable = true;
        if (is_newest && scan.read_errors == 0 && scan.end < scan.file_bytes) cut(number, scan);
        shared.books.add_segment(number);
        shared.books.set_segment_bytes(number, scan.file_bytes);
        for (auto const& [header, erasures] : scan.records) {
            last_sequence = std::max(last_sequence, header.sequence);
            for (auto const& erasure : erasures) shared.books.forget(erasure.key, erasure.sequence);
            if (header.kind == RecordKind::block)
                shared.books.add(header.key, {number, header.offset, header.payload_bytes, header.sequence});
        }
        shared.counters.corrupt_records += scan.corrupt_records;
        shared.counters.short_reads += scan.short_reads;
        shared.counters.read_errors += scan.read_errors;
    }

    /// The bytes behind the last record are of a writer that did not finish.
    void cut(std::uint64_t number, SegmentScan& scan) {
        auto const file = shared.files.open(number);
        auto const error = shared.files.calls().ftruncate(file->file(), scan.end);
        if (error < 0) throw SystemError(shared.files.path(number), -error);
        shared.counters.torn_bytes += scan.file_bytes - scan.end;
        scan.file_bytes = scan.end;
        if (scan.corrupt_records > 0) --scan.corrupt_records;
    }

    std::uint64_t last_sequence = 0;
    bool newest_unreadable = false;
};

SegmentStore::SegmentStore(std::string const& folder, SegmentRules const& rules, FileCalls& calls) {
    rules.check();
    state_ = std::make_unique<State>(folder, rules, calls);
}
SegmentStore::~SegmentStore() = default;

bool SegmentStore::put(BlockKey const& key, std::span<std::byte const> bytes) {
    BlockToStore const block{key, bytes};
    return put_many({&block, 1}) == 1;
}

std::size_t SegmentStore::put_many(std::span<BlockToStore const> blocks) {
    std::lock_guard const writing(state_->writing);
    std::size_t stored = 0;
    while (!blocks.empty()) {
        if (!state_->writer.fits(blocks.front().bytes.size())) {
            std::lock_guard const lock(state_->shared.mutex);
            ++state_->shared.counters.too_large;
            blocks = blocks.subspan(1);
            continue;
        }
        auto const some = state_->writer.put_some(blocks);
        stored += some;
        blocks = blocks.subspan(some);
    }
    return stored;
}

bool SegmentStore::erase(BlockKey const& key) {
    std::lock_guard const writing(state_->writing);
    return state_->writer.erase(key);
}

void SegmentStore::flush() {
    std::lock_guard const writing(state_->writing);
    state_->writer.flush();
}

void SegmentStore::on_eviction(EvictionSink sink) {
    std::lock_guard const writing(state_->writing);
    state_->writer.on_eviction(std::move(sink));
}

bool SegmentStore::holds(BlockKey const& key) const {
    std::lock_guard const lock(state_->shared.mutex);
    return state_->shared.books.find(key).has_value();
}

std::optional<StoredBlock> SegmentStore::get(BlockKey const& key) { return state_->reader.get(key); }

void SegmentStore::get_many(std::span<BlockKey const> keys, BlockSink const& sink) {
    state_->reader.get_many(keys, sink);
}

SegmentCounters SegmentStore::counters() const {
    std::lock_guard const lock(state_->shared.mutex);
    auto counters = state_->shared.counters;
    state_->shared.books.count(counters);
    return counters;
}

SegmentMode SegmentStore::mode() const { return state_->shared.files.mode(); }

std::uint64_t SegmentStore::disk_bytes_of(std::uint64_t payload_bytes) { return record_bytes(payload_bytes); }

}  // namespace kvstone
