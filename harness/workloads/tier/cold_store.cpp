#include "harness/workloads/tier/cold_store.hpp"

#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"

namespace kvstone {
namespace {

/// Keys of blocks that are numbers. They begin with the bytes that tables use as a hash.
BlockKey key_of(std::uint64_t block) {
    BlockKey key{};
    auto const hash = hash_of(block);
    std::memcpy(key.data(), &hash, sizeof hash);
    std::memcpy(key.data() + sizeof hash, &block, sizeof block);
    return key;
}
std::uint64_t block_of(BlockKey const& key) {
    std::uint64_t block = 0;
    std::memcpy(&block, key.data() + sizeof block, sizeof block);
    return block;
}

class Segments final : public ColdStore {
  public:
    Segments(std::string const& folder, SegmentRules const& rules) : rules_(rules), store_(folder, rules) {
        store_.on_eviction([this](BlockKey const& key, std::uint64_t) { lost_.push_back(block_of(key)); });
    }

    void put(std::uint64_t block, std::span<std::byte const> entry) override {
        if (!store_.put(key_of(block), entry))
            throw NotApplicable(fmt::format("an entry has {} bytes, a segment", entry.size()),
                                fmt::format("{} B", rules_.segment_bytes));
    }
    void get(std::span<std::uint64_t const> blocks, Sink const& sink) override {
        std::vector<BlockKey> keys;
        for (auto const block : blocks) keys.push_back(key_of(block));
        store_.get_many(keys, sink);
    }
    void erase(std::uint64_t block) override { store_.erase(key_of(block)); }
    bool holds(std::uint64_t block) const override { return store_.holds(key_of(block)); }
    void flush() override { store_.flush(); }
    std::vector<std::uint64_t> take_lost() override { return std::exchange(lost_, {}); }
    SegmentCounters counters() const override { return store_.counters(); }
    SegmentMode mode() const override { return store_.mode(); }

  private:
    SegmentRules rules_;
    SegmentStore store_;
    std::vector<std::uint64_t> lost_;
};

}  // namespace

std::unique_ptr<ColdStore> open_segments(std::string const& folder, SegmentRules const& rules) {
    return std::make_unique<Segments>(folder, rules);
}

}  // namespace kvstone
