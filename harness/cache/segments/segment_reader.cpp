#include "harness/cache/segments/segment_reader.hpp"

#include "harness/cache/segments/partial_read.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// One read at a time, done when it is started.
class PreadQueue final : public ReadQueue {
  public:
    explicit PreadQueue(FileCalls& calls) : calls_(calls) {}
    unsigned depth() const override { return 1; }
    void start(int file, std::span<std::byte> to, std::uint64_t offset, std::uint64_t tag) override {
        ended_ = {.tag = tag, .result = calls_.pread(file, to, offset)};
    }
    Ended finish() override { return ended_; }

  private:
    FileCalls& calls_;
    Ended ended_;
};

}  // namespace

/// Keys on their way through a queue.
class SegmentReader::Batch {
  public:
    Batch(SegmentShared& shared, ReadQueue& queue, std::span<BlockKey const> keys, Sink const& sink)
        : shared_(shared), queue_(queue), keys_(keys), sink_(sink), reads_(queue.depth()) {
        for (std::size_t i = 0; i < reads_.size(); ++i) free_.push_back(i);
    }

    void run() {
        std::size_t next = 0;
        while (next < keys_.size() || free_.size() < reads_.size()) {
            while (next < keys_.size() && !free_.empty()) start(next++);
            if (free_.size() == reads_.size()) continue;
            auto const ended = queue_.finish();
            auto& read = reads_[ended.tag];
            if (!read.reading.take(ended.result, shared_.files)) {
                hand_over(ended.tag);
                continue;
            }
            auto block = block_of(read);
            free_.push_back(ended.tag);
            sink_(read.index, std::move(block));
        }
    }

  private:
    struct Read {
        std::size_t index = 0;
        BlockPlace place;
        AlignedBytes buffer;
        PartialRead reading;
    };

    void start(std::size_t index) {
        std::optional<BlockPlace> place;
        {
            std::lock_guard const lock(shared_.mutex);
            ++shared_.counters.gets;
            place = shared_.books.find(keys_[index]);
        }
        if (!place) return sink_(index, std::nullopt);
        auto const slot = free_.back();
        auto& read = reads_[slot];
        read.index = index;
        read.place = *place;
        read.buffer = AlignedBytes(record_bytes(place->payload_bytes));
        try {
            read.reading =
                PartialRead(shared_.files.open(place->segment), place->segment, read.buffer.span(), place->offset);
        } catch (SystemError const&) {
            miss(read, &SegmentCounters::read_errors);
            return sink_(index, std::nullopt);
        }
        free_.pop_back();
        hand_over(slot);
    }

    void hand_over(std::size_t slot) {
        auto const& reading = reads_[slot].reading;
        queue_.start(reading.file(), reading.rest(), reading.offset(), slot);
    }

    std::optional<StoredBlock> block_of(Read& read) {
        if (read.reading.short_reads() > 0) {
            std::lock_guard const lock(shared_.mutex);
            shared_.counters.short_reads += read.reading.short_reads();
        }
        if (read.reading.error() > 0) return miss(read, &SegmentCounters::read_errors);
        if (read.reading.error() != 0 || !is_intact(read)) return miss(read, &SegmentCounters::corrupt_records);
        std::lock_guard const lock(shared_.mutex);
        ++shared_.counters.hits;
        shared_.counters.payload_bytes_read += read.place.payload_bytes;
        return StoredBlock(std::move(read.buffer), record_header_bytes, read.place.payload_bytes);
    }

    bool is_intact(Read const& read) const {
        auto const bytes = read.buffer.span();
        auto const header = read_header(bytes);
        RecordHeader const expected{.kind = RecordKind::block,
                                    .segment = read.place.segment,
                                    .offset = read.place.offset,
                                    .sequence = read.place.sequence,
                                    .payload_bytes = read.place.payload_bytes,
                                    .key = keys_[read.index],
                                    .payload_hash = header ? header->payload_hash : 0};
        return header == expected && read_payload(*header, bytes).has_value();
    }

    /// A block that is no longer held, whose file may have gone, is no fault of the disk.
    std::nullopt_t miss(Read const& read, std::uint64_t SegmentCounters::* why) {
        std::lock_guard const lock(shared_.mutex);
        auto const& key = keys_[read.index];
        auto const now = shared_.books.find(key);
        if (!now || now->sequence != read.place.sequence) return std::nullopt;
        ++(shared_.counters.*why);
        if (why == &SegmentCounters::corrupt_records) shared_.books.forget(key, now->sequence);
        return std::nullopt;
    }

    SegmentShared& shared_;
    ReadQueue& queue_;
    std::span<BlockKey const> keys_;
    Sink const& sink_;
    std::vector<Read> reads_;
    std::vector<std::size_t> free_;
};

SegmentReader::SegmentReader(SegmentShared& shared) : shared_(shared) {
    if (shared.rules.io != SegmentIo::io_uring) return;
    int error = 0;
    if (auto ring = shared.files.calls().read_ring(shared.rules.reads_in_flight, error))
        idle_.push_back(std::move(ring));
    else
        shared.files.refuse_ring(-error);
}

/// A ring where the mode has them and one more can be made.
std::unique_ptr<ReadQueue> SegmentReader::queue() {
    if (shared_.files.mode().io == SegmentIo::io_uring) {
        {
            std::lock_guard const lock(mutex_);
            if (!idle_.empty()) {
                auto ring = std::move(idle_.back());
                idle_.pop_back();
                return ring;
            }
        }
        int error = 0;
        if (auto ring = shared_.files.calls().read_ring(shared_.rules.reads_in_flight, error)) return ring;
    }
    return std::make_unique<PreadQueue>(shared_.files.calls());
}

std::optional<StoredBlock> SegmentReader::get(BlockKey const& key) {
    PreadQueue queue(shared_.files.calls());
    std::optional<StoredBlock> found;
    Sink const sink = [&](std::size_t, std::optional<StoredBlock> block) { found = std::move(block); };
    Batch(shared_, queue, {&key, 1}, sink).run();
    return found;
}

void SegmentReader::get_many(std::span<BlockKey const> keys, Sink const& sink) {
    auto batch_queue = queue();
    Batch batch(shared_, *batch_queue, keys, sink);
    try {
        batch.run();
    } catch (...) {
        batch_queue.reset();  // it waits for reads that still write into the batch's buffers
        throw;
    }
    std::lock_guard const lock(mutex_);
    if (batch_queue->depth() > 1) idle_.push_back(std::move(batch_queue));
}

}  // namespace kvstone
