#include "harness/workloads/tier/live_tiers.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <xxhash.h>

#include "backends/timer.hpp"
#include "harness/cache/two_stages.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Entries that wait between the disk and the codec.
constexpr std::size_t queue_depth = 4;

std::uint64_t content_of(std::span<std::byte const> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

/// Hash of decoded values.
std::uint64_t values_content(EntryForm const& form, std::span<std::byte const> entry) {
    return form.is_coded() ? content_of(form.decode_alone(entry)) : content_of(entry);
}

double mean_ns(std::int64_t all_ns, std::size_t count) {
    return static_cast<double>(all_ns) / static_cast<double>(count);
}

[[noreturn]] void wrong(std::uint64_t block, char const* tier, std::string const& what) {
    throw WrongEntry(fmt::format("block {} of the {} tier {}", block, tier, what));
}

}  // namespace

void LiveTiers::serve(TwoTiers<std::uint64_t>& tiers, std::span<std::uint64_t const> blocks, std::uint64_t matched) {
    std::vector<std::uint64_t> hot, cold;
    for (auto const block : blocks.first(matched)) (tiers.in_hot(block) ? hot : cold).push_back(block);
    read_hot(hot);
    read_cold(cold);
    Moves moves;
    tiers.commit(blocks, [&](TierMove kind, std::uint64_t block) { moves.emplace_back(kind, block); });
    for (auto const& [kind, block] : moves)
        if (kind == TierMove::write || kind == TierMove::replace) computed_[block] = blocks_.of_block(block);
    move(moves);
    for (auto const block : store_.take_lost())
        if (!store_.holds(block) && tiers.lose(block)) cold_.erase(block);
    fetched_.clear();
    computed_.clear();
}

void LiveTiers::read_hot(std::span<std::uint64_t const> blocks) {
    std::int64_t all_ns = 0;
    for (auto const block : blocks) {
        auto const& entry = hot_.at(block);
        std::vector<std::byte> values(blocks_.bytes());
        all_ns += fenced_ns(BackendKind::openmp, [&] { hot_form_.decode(entry.bytes, values); });
        if (content_of(values) != entry.values_hash) wrong(block, "hot", "decodes to other values than it was given");
        totals_.hot_errors += blocks_.errors(block, values);
    }
    if (!blocks.empty()) totals_.hot_hit_ns.push_back(mean_ns(all_ns, blocks.size()));
}

void LiveTiers::read_cold(std::span<std::uint64_t const> blocks) {
    if (blocks.empty()) return;
    std::vector<Fetched> fetched(blocks.size());
    for (auto& one : fetched) one.values.resize(blocks_.bytes());
    auto const decode = [&](std::size_t index) {
        auto& [entry, values] = fetched[index];
        if (!entry) wrong(blocks[index], "cold", "is gone");
        try {
            cold_form_.decode(entry->bytes(), values);
        } catch (CorruptData const& error) {
            wrong(blocks[index], "cold", std::string("does not decode: ") + error.what());
        }
    };
    auto const all_ns = fenced_ns(BackendKind::openmp, [&] {
        produce_beside<std::size_t>(
            queue_depth,
            [&](auto const& push) {
                store_.get(blocks, [&](std::size_t index, std::optional<StoredBlock> entry) {
                    if (entry) link_.receive(entry->bytes().size());
                    fetched[index].entry = std::move(entry);
                    push(index);
                });
            },
            decode);
    });
    totals_.cold_hit_ns.push_back(mean_ns(all_ns, blocks.size()));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        auto const& stored = cold_.at(blocks[i]);
        if (content_of(fetched[i].entry->bytes()) != stored.bytes_hash)
            wrong(blocks[i], "cold", "came back with other bytes than it was given");
        if (content_of(fetched[i].values) != stored.values_hash)
            wrong(blocks[i], "cold", "decodes to other values than it was given");
        totals_.cold_errors += blocks_.errors(blocks[i], fetched[i].values);
        fetched_[blocks[i]] = std::move(fetched[i]);
    }
}

void LiveTiers::move(Moves const& moves) {
    consume_beside<DiskTask>(
        queue_depth,
        [&](Push const& push) {
            for (auto const& [kind, block] : moves) move_one(kind, block, push);
        },
        [&](DiskTask const& task) {
            if (task.bytes)
                store_.put(task.block, *task.bytes);
            else
                store_.erase(task.block);
        });
}

void LiveTiers::move_one(TierMove kind, std::uint64_t block, Push const& push) {
    if (kind == TierMove::promote || kind == TierMove::replace || kind == TierMove::drop_cold) {
        cold_.erase(block);
        push({block, std::nullopt});
    }
    switch (kind) {
        case TierMove::write:
        case TierMove::replace:
            return hold(block, hot_form_.encode(computed_.at(block)));
        case TierMove::promote: {
            auto const& [entry, values] = fetched_.at(block);
            if (!same_form_) return hold(block, hot_form_.encode(values));
            return hold(block, {entry->bytes().begin(), entry->bytes().end()});
        }
        case TierMove::demote: {
            auto [bytes, values_hash] = take_hot(block);
            if (!same_form_) {
                std::vector<std::byte> values(blocks_.bytes());
                hot_form_.decode(bytes, values);
                bytes = cold_form_.encode(values);
                values_hash = values_content(cold_form_, bytes);
            }
            cold_[block] = {content_of(bytes), values_hash};
            push({block, std::move(bytes)});
            return;
        }
        case TierMove::drop_hot:
            take_hot(block);
            return;
        case TierMove::drop_cold:
            return;
    }
}

void LiveTiers::hold(std::uint64_t block, std::vector<std::byte> bytes) {
    auto const values_hash = values_content(hot_form_, bytes);
    totals_.hot_bytes += bytes.size();
    totals_.hot_bytes_most = std::max(totals_.hot_bytes_most, totals_.hot_bytes);
    hot_[block] = {std::move(bytes), values_hash};
}

LiveTiers::HotEntry LiveTiers::take_hot(std::uint64_t block) {
    auto const node = hot_.extract(block);
    totals_.hot_bytes -= node.mapped().bytes.size();
    return std::move(node.mapped());
}

void LiveTiers::check_against(TwoTiers<std::uint64_t> const& tiers) const {
    if (hot_.size() != tiers.hot_entries() || cold_.size() != tiers.cold_entries() ||
        store_.counters().entries != tiers.cold_entries())
        throw WrongEntry(fmt::format("memory holds {} blocks and the disk {}, the accounts {} and {}", hot_.size(),
                                     store_.counters().entries, tiers.hot_entries(), tiers.cold_entries()));
    for (auto const& [block, entry] : hot_)
        if (!tiers.in_hot(block)) wrong(block, "hot", "is not in its books");
    for (auto const& [block, entry] : cold_)
        if (!tiers.in_cold(block)) wrong(block, "cold", "is not in its books");
}

}  // namespace kvstone
