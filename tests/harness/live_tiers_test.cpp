// Two tiers with the bytes behind them: their content, that their hits are right, and that wrong ones are found.

#include "harness/workloads/tier/live_tiers.hpp"

#include <gmock/gmock.h>

#include "harness/captures/load_tensors.hpp"
#include "harness/workloads/tier/tier_replay.hpp"
#include "tests/harness/memory_cold_store.hpp"
#include "tests/harness/random_requests.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t block_tokens = 32;

BlockValues some_blocks() {
    Json const source = {{"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 2}, {"head_dim", 32}, {"seed", 5}};
    return BlockValues(load_tensors(source, Json::object(), block_tokens, {}));
}

struct Forms {
    std::string name;
    std::optional<std::string> hot, cold;
};
std::vector<Forms> all_forms() {
    return {{"in_ram", "nf4", "nf4"},
            {"in_ram_lossless", "fp16 | gear | zstd", "fp16 | gear | zstd"},
            {"on_eviction", std::nullopt, "q8_0"},
            {"both", "fp16", "int8"},
            {"neither", std::nullopt, std::nullopt}};
}

class LiveTiersOfEachForm : public testing::TestWithParam<Forms> {
  protected:
    /// Serves a trace that hits both tiers; returns the replay.
    TierReplayResult serve(ColdStore& store, TierRules const& rules = {.hot = 6, .cold = 20}) {
        LiveTiers live(blocks_, hot_, cold_, GetParam().hot == GetParam().cold, store, 0);
        auto const trace = trace_of(random_requests(1, 30, 12));
        std::uint64_t served = 0;
        auto result = replay_tiers(trace, rules, [&](auto& tiers, auto const& found, std::uint64_t matched) {
            live.serve(tiers, found, matched);
            ++served;
            live.check_against(tiers);
        });
        EXPECT_EQ(served, trace.requests.size());
        totals_ = live.totals();
        return result;
    }

    BlockValues blocks_ = some_blocks();
    EntryForm hot_{blocks_, GetParam().hot};
    EntryForm cold_{blocks_, GetParam().cold};
    LiveTotals totals_;
};

TEST_P(LiveTiersOfEachForm, CountWhatBooksCount) {
    for (TierRules const& rules : {TierRules{.hot = 6, .cold = 20},
                                   {.hot = 1, .cold = 3},
                                   {.hot = 40, .cold = 1},
                                   {.hot = 3, .cold = 9, .order = WriteOrder::deepest_first}}) {
        MemoryColdStore store;
        auto const live = serve(store, rules);
        auto const books = replay_tiers(trace_of(random_requests(1, 30, 12)), rules);
        EXPECT_EQ(live.both.hit_tokens, books.both.hit_tokens);
        EXPECT_EQ(live.tiers.hot_hits, books.tiers.hot_hits);
        EXPECT_EQ(live.tiers.cold_hits, books.tiers.cold_hits);
        EXPECT_EQ(live.tiers.demotions, books.tiers.demotions);
        EXPECT_EQ(store.puts, books.tiers.demotions);
        EXPECT_EQ(store.entries.size(), books.cold_held);
    }
}

TEST_P(LiveTiersOfEachForm, HoldEntriesOfTheirForm) {
    MemoryColdStore store;
    auto const result = serve(store);
    ASSERT_GT(result.tiers.hot_hits, 0U);
    ASSERT_GT(result.tiers.cold_hits, 0U);
    auto const entry_of_0 = cold_.encode(blocks_.of_block(0));
    for (auto const& [block, entry] : store.entries) {
        if (GetParam().name != "in_ram_lossless") {
            EXPECT_EQ(entry.size(), entry_of_0.size());
        }
        EXPECT_EQ(cold_.decode_alone(entry).size(), blocks_.bytes());
    }
    // Errors are those of the codecs: none, of rounding, of 8 bits, of 4.
    auto const nmse = *totals_.cold_errors.nmse();
    if (GetParam().name == "neither") {
        EXPECT_EQ(nmse, 0);
        EXPECT_EQ(totals_.cold_errors.max_abs_error, 0);
    } else {
        EXPECT_GT(nmse, 0);
        EXPECT_LT(nmse, GetParam().name == "in_ram" ? 0.05 : 0.01);
    }
    // Memory gives the computed values where it holds them, except for blocks that came back from the disk.
    if (GetParam().name == "on_eviction") {
        EXPECT_LT(*totals_.hot_errors.nmse(), nmse);
    }
    // 6 blocks at the most, and the entry that is about to leave.
    if (!GetParam().hot) {
        EXPECT_LE(totals_.hot_bytes_most, 7 * blocks_.bytes());
    }
}

/// Of a block that comes back, one byte is another.
class WrongByte final : public MemoryColdStore {
  public:
    explicit WrongByte(std::size_t at) : at_(at) {}
    std::optional<StoredBlock> read(std::uint64_t block) override {
        auto entry = entries.at(block);
        entry[at_ % entry.size()] ^= std::byte{1};
        return stored(entry);
    }

  private:
    std::size_t at_;
};

TEST_P(LiveTiersOfEachForm, FindAWrongByteWhereverItLies) {
    for (std::size_t const at : {0, 17, 31, 200, 1001, 4000}) {
        WrongByte store(at);
        EXPECT_THROW(serve(store), WrongEntry) << at;
    }
}

TEST_P(LiveTiersOfEachForm, FindTheBytesOfAnotherBlock) {
    class OtherBlock final : public MemoryColdStore {
        std::optional<StoredBlock> read(std::uint64_t block) override {
            for (auto const& [number, entry] : entries)
                if (number != block) return stored(entry);
            return stored(entries.at(block));
        }
    } store;
    EXPECT_THROW(serve(store), WrongEntry);
}

TEST_P(LiveTiersOfEachForm, FindABlockThatIsGoneOrCutShort) {
    class Forgetful final : public MemoryColdStore {
        std::optional<StoredBlock> read(std::uint64_t) override { return std::nullopt; }
    } forgetful;
    EXPECT_THROW(serve(forgetful), WrongEntry);
    class Short final : public MemoryColdStore {
        std::optional<StoredBlock> read(std::uint64_t block) override {
            return stored(std::span(entries.at(block)).first(entries.at(block).size() - 8));
        }
    } cut;
    EXPECT_THROW(serve(cut), WrongEntry);
    class KeepsNone final : public MemoryColdStore {
        void put(std::uint64_t, std::span<std::byte const>) override {}
    } none;
    EXPECT_THROW(serve(none), WrongEntry);
}

TEST_P(LiveTiersOfEachForm, CountMissesOfWhatTheDiskHadNoRoomFor) {
    /// Half of the files' room is holes: every fifth put costs another block its place.
    class Full final : public MemoryColdStore {
        void put(std::uint64_t block, std::span<std::byte const> entry) override {
            MemoryColdStore::put(block, entry);
            if (puts % 5 != 0) return;
            lost.push_back(entries.begin()->first);
            entries.erase(entries.begin());
        }
    } store;
    auto const result = serve(store);
    auto const books = replay_tiers(trace_of(random_requests(1, 30, 12)), {.hot = 6, .cold = 20});
    EXPECT_GT(result.tiers.losses, 0U);
    EXPECT_LT(result.both.blocks.hits, books.both.blocks.hits);
    EXPECT_EQ(result.tiers.writes, result.hot_held + result.cold_held + result.tiers.drops + result.tiers.losses);
}

INSTANTIATE_TEST_SUITE_P(All, LiveTiersOfEachForm, testing::ValuesIn(all_forms()),
                         [](auto const& one) { return one.param.name; });

TEST(BlockValuesOfATier, DifferFromBlockToBlock) {
    auto const blocks = some_blocks();
    auto const first = blocks.of_block(0);
    EXPECT_EQ(first.size(), 2 * 2 * 2 * block_tokens * 32 * sizeof(float));
    std::size_t alike = 0;
    for (std::uint64_t block = 1; block < 20; ++block) alike += blocks.of_block(block) == first ? 1 : 0;
    EXPECT_LE(alike, 3U) << "one of 32 is expected to be";
    EXPECT_EQ(blocks.of_block(7), blocks.of_block(7));
    EXPECT_EQ(*blocks.errors(0, first).nmse(), 0);
}

TEST(EntryForms, RefuseWhatGoesOn) {
    auto const blocks = some_blocks();
    for (std::optional<std::string> const& codec : {std::optional<std::string>(), std::optional<std::string>("fp16")}) {
        EntryForm form(blocks, codec);
        auto entry = form.encode(blocks.of_block(3));
        std::vector<std::byte> values(blocks.bytes());
        form.decode(entry, values);
        EXPECT_EQ(values, form.decode_alone(entry));
        entry.resize(entry.size() + 8);
        EXPECT_THROW(form.decode(entry, values), CorruptData);
        entry.resize(entry.size() - 16);
        EXPECT_THROW(form.decode(entry, values), CorruptData);
        EXPECT_THROW(form.decode(std::span(entry).first(7), values), CorruptData);
    }
}

}  // namespace
}  // namespace kvstone
