#pragma once
// The store of the cold tier: blocks of bytes by key, appended to segment files of one folder.

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

/// Blocks of one folder. get() returns the bytes that were put under the key, or nothing: a checksum covers every
/// record with its key, length and place. New blocks go to the end of the newest segment file; the oldest one is
/// removed with all its blocks to make room. The format of the records: record.hpp.
///
/// A folder holds budget / segment files, some hundreds to thousands: unlike one file per block, these need no
/// subfolders.
///
/// Thread-safe: reads run beside a write and beside each other; writes wait for each other.
class SegmentStore {
  public:
    /// Creates the folder where it is missing, locks it, and reads its records. Incomplete records at the end of the
    /// newest segment are cut off; blocks beyond the budget are evicted. Throws SystemError where the folder cannot be
    /// used or another process (or another store of this one) has it open, ConfigError where the rules contradict each
    /// other. `calls` outlive the store.
    SegmentStore(std::string const& folder, SegmentRules const& rules, FileCalls& calls = system_file_calls());
    /// Writes the pending erasures, where that is possible. Syncs nothing.
    ~SegmentStore();
    SegmentStore(SegmentStore const&) = delete;
    SegmentStore& operator=(SegmentStore const&) = delete;

    /// Stores a block, in place of one with the same key. False where it is larger than a segment (an older block of
    /// this key is then kept). Throws SystemError where it could not be written ("...: No space left on device") or
    /// made durable: the block is then not stored; all other blocks stay, also an older one of this key, and the next
    /// put starts a new record. Where a full segment could not be synced, its blocks are stored but not promised, by no
    /// later flush() either.
    bool put(BlockKey const& key, std::span<std::byte const> bytes);
    /// Stores several blocks; up to 4 MiB of them are written in one call and made durable together. Returns the number
    /// of blocks that were not too large. After an exception, the blocks written before are stored.
    std::size_t put_many(std::span<BlockToStore const> blocks);

    bool holds(BlockKey const& key) const;
    /// The bytes of a block; nothing where it is not stored, cannot be read (EIO: a later read may work), or is
    /// damaged: a damaged block is forgotten.
    std::optional<StoredBlock> get(BlockKey const& key);
    /// Called with each block's index in `keys` and its bytes or nothing, in the order in which reads end, in the
    /// thread of get_many(). While it runs no new reads start; those in flight continue. It may call the store.
    using BlockSink = std::function<void(std::size_t index, std::optional<StoredBlock> block)>;
    /// get() of several blocks, with as many reads in flight as the mode has. An exception of `sink` ends it.
    void get_many(std::span<BlockKey const> keys, BlockSink const& sink);

    /// Forgets a block, beyond a restart once the erasure is durable: at once under SegmentSync::entry, otherwise with
    /// flush(). False where it is not stored. Its bytes stay on disk, dead, until its segment is removed. Throws
    /// SystemError where the erasure could not be written; the block is forgotten nevertheless, and the erasure is
    /// written with the next one.
    bool erase(BlockKey const& key);
    /// Makes all puts and erasures durable, whatever the sync rule. Throws SystemError.
    void flush();

    /// Called in the thread of a put() or an erase(), for each block of a segment that is about to be removed. It must
    /// not call put(), erase() or flush().
    using EvictionSink = std::function<void(BlockKey const& key, std::uint64_t payload_bytes)>;
    void on_eviction(EvictionSink sink);

    SegmentCounters counters() const;
    SegmentMode mode() const;
    /// Bytes on disk of a block with this payload, with header and padding.
    static std::uint64_t disk_bytes_of(std::uint64_t payload_bytes);

  private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
