#pragma once
// The cold tier's store: blocks of bytes by key, appended to segment files of one folder.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "harness/cache/block_key.hpp"
#include "harness/cache/segments/file_calls.hpp"
#include "harness/cache/segments/segment_rules.hpp"
#include "harness/cache/segments/stored_block.hpp"

namespace kvstone {

/// Blocks of one folder. What get() gives is what was put under that key, or nothing: a checksum covers every record, its
/// key, length and place included. New blocks go to the end of the newest segment file; room is made by removing the oldest
/// one with all that is in it. The format of the records: record.hpp.
///
/// A folder holds budget / segment files, some hundreds to thousands: it needs no folders below it, as one file per block
/// would.
///
/// Thread-safe: reads run beside a write and beside each other; writes wait for each other.
class SegmentStore {
  public:
    /// Makes the folder where there is none, locks it, and finds what it holds. Tears at the end of the newest segment are
    /// cut off; what is beyond the budget is evicted. Throws SystemError where the folder cannot be used or another process
    /// (or another store of this one) has it open, ConfigError where the rules make no sense. `calls` outlive the store.
    SegmentStore(std::string const& folder, SegmentRules const& rules, FileCalls& calls = system_file_calls());
    /// Writes which blocks were erased, where that can be. Syncs nothing.
    ~SegmentStore();
    SegmentStore(SegmentStore const&) = delete;
    SegmentStore& operator=(SegmentStore const&) = delete;

    /// Stores a block, in place of one with the same key. False where it is larger than a segment (then an older one of this
    /// key is kept). Throws SystemError where it could not be written ("...: No space left on device") or made durable: it is
    /// not held then; everything else is, an older one of this key included, and the next put starts anew. Where a full
    /// segment could not be synced, its blocks are held, but not promised, by no later flush() either.
    bool put(BlockKey const& key, std::span<std::byte const> bytes);
    /// The same for several, of which as many as make 4 MiB are written in one call and made durable together. Returns how
    /// many were not too large. Where it throws, those written before are held.
    std::size_t put_many(std::span<BlockToStore const> blocks);

    bool holds(BlockKey const& key) const;
    /// The bytes of a block; nothing where it is not held, cannot be read (EIO: it may be the next time), or is not intact, and
    /// then it is held no more.
    std::optional<StoredBlock> get(BlockKey const& key);
    /// Told each block's place in `keys` and its bytes or nothing, in the order in which reads end, in the thread of get_many().
    /// While it runs no new reads are started; those in flight go on. It may call the store.
    using BlockSink = std::function<void(std::size_t index, std::optional<StoredBlock> block)>;
    /// get() of several, with as many reads in flight as the mode has. What `sink` throws ends it.
    void get_many(std::span<BlockKey const> keys, BlockSink const& sink);

    /// Forgets a block, also beyond a restart once that is durable: at once under SegmentSync::entry, otherwise with flush().
    /// False where it is not held. Its bytes stay on disk, dead, until its segment is removed. Throws SystemError where that
    /// could not be written; the block is forgotten nevertheless, and it is tried again with the next.
    bool erase(BlockKey const& key);
    /// Makes all durable that was put and erased, whatever the sync rule. Throws SystemError.
    void flush();

    /// Called in the thread of a put() or an erase(), for each block of a segment that is about to be removed. It must not put,
    /// erase or flush.
    using EvictionSink = std::function<void(BlockKey const& key, std::uint64_t payload_bytes)>;
    void on_eviction(EvictionSink sink);

    SegmentCounters counters() const;
    SegmentMode mode() const;
    /// Bytes on disk that a block of so many bytes takes, with header and padding.
    static std::uint64_t disk_bytes_of(std::uint64_t payload_bytes);

  private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
