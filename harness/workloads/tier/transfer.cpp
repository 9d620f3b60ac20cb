#include "harness/workloads/tier/transfer.hpp"

#include <algorithm>
#include <numeric>

#include "backends/timer.hpp"
#include "harness/cache/throttled_link.hpp"
#include "harness/cache/two_stages.hpp"
#include "harness/workloads/stopping_rule.hpp"
#include "harness/workloads/tier/live_tiers.hpp"
#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

/// Entries that wait between the disk and the codec.
constexpr std::size_t queue_depth = 4;

/// Blocks 0 to entries - 1, as values and as entries, and the passes over them.
class Passes {
  public:
    Passes(BlockValues const& blocks, EntryForm& form, OpenStore const& open, TransferSetting const& setting)
        : form_(form), open_(open), setting_(setting), decoded_(blocks.bytes()), numbers_(setting.entries) {
        std::iota(numbers_.begin(), numbers_.end(), std::uint64_t{0});
        for (auto const block : numbers_) {
            values_.push_back(blocks.of_block(block));
            entries_.push_back(form_.encode(values_.back()));
        }
    }

    void encode() {
        for (auto const block : numbers_) entries_[block] = form_.encode(values_[block]);
    }
    void disk_write() {
        for (auto const block : numbers_) store_->put(block, entries_[block]);
        if (setting_.promised) store_->flush();
    }
    void write() {
        consume_beside<std::size_t>(
            queue_depth,
            [&](auto const& push) {
                for (auto const block : numbers_) {
                    entries_[block] = form_.encode(values_[block]);
                    push(block);
                }
            },
            [&](std::size_t block) { store_->put(block, entries_[block]); });
        if (setting_.promised) store_->flush();
    }
    void decode() {
        for (auto const& entry : entries_) form_.decode(entry, decoded_);
    }
    void disk_read() {
        read_all([](StoredBlock) {});
    }
    void read() {
        produce_beside<StoredBlock>(
            queue_depth, [&](auto const& push) { read_all([&](StoredBlock entry) { push(std::move(entry)); }); },
            [&](StoredBlock const& entry) { form_.decode(entry.bytes(), decoded_); });
    }

    void empty_store() {
        store_.reset();
        store_ = open_();
    }
    std::uint64_t raw_bytes() const { return values_.size() * decoded_.size(); }
    std::uint64_t stored_bytes() const {
        return std::transform_reduce(entries_.begin(), entries_.end(), std::uint64_t{0}, std::plus<>(),
                                     [](auto const& entry) { return std::uint64_t{entry.size()}; });
    }

  private:
    template <class Take>
    void read_all(Take const& take) {
        ThrottledLink<> link(setting_.link_bytes_per_s);
        store_->get(numbers_, [&](std::size_t, std::optional<StoredBlock> entry) {
            if (!entry) throw WrongEntry("an entry that was just written is gone");
            link.receive(entry->bytes().size());
            take(std::move(*entry));
        });
    }

    EntryForm& form_;
    OpenStore const& open_;
    TransferSetting setting_;
    std::vector<std::byte> decoded_;
    std::vector<std::uint64_t> numbers_;
    std::vector<std::vector<std::byte>> values_;
    std::vector<std::vector<std::byte>> entries_;
    std::unique_ptr<ColdStore> store_;
};

}  // namespace

TransferTimes time_transfers(BlockValues const& blocks, EntryForm& form, OpenStore const& open,
                             TransferSetting const& setting, Measure const& measure) {
    Passes passes(blocks, form, open, setting);
    TransferTimes times;
    times.entries = setting.entries;
    times.raw_bytes = passes.raw_bytes();
    times.stored_bytes = passes.stored_bytes();
    auto const timed = [&](std::vector<double>& samples, auto const& pass) {
        samples.push_back(static_cast<double>(fenced_ns(BackendKind::openmp, pass)));
    };
    warm_up(measure, [&] {
        passes.encode();
        passes.decode();
    });
    MedianIntervalRule write_rule(measure.repetitions, measure.min_time_s);
    MedianIntervalRule read_rule(measure.repetitions, measure.min_time_s);
    while (!write_rule.done() || !read_rule.done()) {
        timed(times.encode_ns, [&] { passes.encode(); });
        passes.empty_store();
        timed(times.disk_write_ns, [&] { passes.disk_write(); });
        passes.empty_store();
        timed(times.write_ns, [&] { passes.write(); });
        write_rule.add(times.write_ns.back());
        timed(times.decode_ns, [&] { passes.decode(); });
        timed(times.disk_read_ns, [&] { passes.disk_read(); });
        timed(times.read_ns, [&] { passes.read(); });
        read_rule.add(times.read_ns.back());
    }
    return times;
}

double overlap_fraction(std::vector<double> const& codec_ns, std::vector<double> const& disk_ns,
                        std::vector<double> const& both_ns) {
    std::vector<double> fractions;
    for (std::size_t i = 0; i < both_ns.size(); ++i)
        fractions.push_back(std::max(codec_ns[i], disk_ns[i]) / both_ns[i]);
    return median(std::move(fractions));
}

}  // namespace kvstone
