#include "harness/cache/segments/segment_books.hpp"

namespace kvstone {

std::optional<BlockPlace> SegmentBooks::find(BlockKey const& key) const {
    auto const slot = index_.find(key);
    if (slot == no_slot) return std::nullopt;
    return places_[slot];
}

void SegmentBooks::add(BlockKey const& key, BlockPlace const& place) {
    if (auto const older = index_.find(key); older != no_slot) forget_slot(older);
    auto const slot = index_.add(key);
    if (slot >= places_.size()) places_.resize(slot + std::size_t{1});
    places_[slot] = place;
    auto& segment = segments_.at(place.segment);
    ++segment.entries;
    segment.slots.push_back(slot);
    payload_bytes_ += place.payload_bytes;
    live_disk_bytes_ += record_bytes(place.payload_bytes);
}

bool SegmentBooks::forget(BlockKey const& key, std::uint64_t sequence) {
    auto const slot = index_.find(key);
    if (slot == no_slot || places_[slot].sequence > sequence) return false;
    forget_slot(slot);
    return true;
}

void SegmentBooks::forget_slot(Slot slot) {
    auto& place = places_[slot];
    --segments_.at(place.segment).entries;
    payload_bytes_ -= place.payload_bytes;
    live_disk_bytes_ -= record_bytes(place.payload_bytes);
    place = {};
    index_.remove(slot);
}

void SegmentBooks::set_segment_bytes(std::uint64_t number, std::uint64_t bytes) {
    auto& segment = segments_.at(number);
    disk_bytes_ += bytes - segment.bytes;
    segment.bytes = bytes;
}

std::vector<EvictedBlock> SegmentBooks::forget_blocks(std::uint64_t number) {
    std::vector<EvictedBlock> evicted;
    for (auto const slot : segments_.at(number).slots) {
        if (places_[slot].segment != number) continue;
        evicted.push_back({index_.key_of(slot), places_[slot].payload_bytes});
        forget_slot(slot);
    }
    return evicted;
}

void SegmentBooks::remove_segment(std::uint64_t number) {
    disk_bytes_ -= segments_.at(number).bytes;
    segments_.erase(number);
}

void SegmentBooks::count(SegmentCounters& counters) const {
    counters.entries = index_.size();
    counters.payload_bytes = payload_bytes_;
    counters.disk_bytes = disk_bytes_;
    counters.dead_bytes = disk_bytes_ - live_disk_bytes_;
    counters.segments = segments_.size();
}

}  // namespace kvstone
