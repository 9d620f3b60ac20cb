#include "cluster/work_queue.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kvstone {
namespace {

int octave_of(double estimated_s) {
    constexpr int least = std::numeric_limits<int>::min();
    return estimated_s > 0 ? std::ilogb(estimated_s) : estimated_s < 0 ? least : least + 1;
}

}  // namespace

std::size_t WorkQueue::place(std::string const& source_and_context) {
    auto const [at, is_new] = place_numbers_.try_emplace(source_and_context, places_.size());
    if (is_new) places_.emplace_back();
    return at->second;
}

void WorkQueue::show(Shelf& shelf, std::size_t place) {
    auto const line = shelf.lines.find(place);
    if (line == shelf.lines.end()) return;
    shelf.octaves[octave_of(-line->second.begin()->first)].emplace(places_[place].nodes, place);
}

void WorkQueue::hide(Shelf& shelf, std::size_t place) {
    auto const line = shelf.lines.find(place);
    if (line == shelf.lines.end()) return;
    auto const octave = shelf.octaves.find(octave_of(-line->second.begin()->first));
    octave->second.erase({places_[place].nodes, place});
    if (octave->second.empty()) shelf.octaves.erase(octave);
}

void WorkQueue::add(std::size_t item, double estimated_s, Need const& need, std::size_t place) {
    auto& shelf = shelves_[need];
    hide(shelf, place);
    shelf.lines[place].emplace(-estimated_s, item);
    show(shelf, place);
    auto& shelves = places_[place].shelves;
    if (std::find(shelves.begin(), shelves.end(), &shelf) == shelves.end()) shelves.push_back(&shelf);
    ++size_;
}

std::size_t WorkQueue::take_longest(Shelf& shelf, std::size_t place) {
    hide(shelf, place);
    auto const line = shelf.lines.find(place);
    auto const item = line->second.begin()->second;
    line->second.erase(line->second.begin());
    if (line->second.empty()) shelf.lines.erase(line);
    show(shelf, place);
    --size_;
    return item;
}

void WorkQueue::note_node_at(std::size_t place) {
    for (auto* shelf : places_[place].shelves) hide(*shelf, place);
    ++places_[place].nodes;
    for (auto* shelf : places_[place].shelves) show(*shelf, place);
}

std::pair<WorkQueue::Shelf*, std::size_t> WorkQueue::choose(std::vector<Need> const& needs,
                                                            std::vector<std::size_t>& places) {
    std::vector<Shelf*> highest;
    int octave = octave_of(-1);
    for (auto const& need : needs) {
        auto const shelf = shelves_.find(need);
        if (shelf == shelves_.end() || shelf->second.octaves.empty()) continue;
        int const own = shelf->second.octaves.begin()->first;
        if (own > octave) highest.clear();
        if (own < octave) continue;
        octave = own;
        highest.push_back(&shelf->second);
    }
    if (highest.empty()) return {nullptr, 0};
    // Of several needs at one place, the longest item's.
    auto const shelf_at = [&](std::size_t place) {
        Shelf* best = nullptr;
        for (auto* shelf : highest) {
            auto const line = shelf->lines.find(place);
            if (line == shelf->lines.end() || octave_of(-line->second.begin()->first) != octave) continue;
            if (best == nullptr || *line->second.begin() < *best->lines.at(place).begin()) best = shelf;
        }
        return best;
    };
    for (auto place = places.rbegin(); place != places.rend(); ++place)
        if (auto* const shelf = shelf_at(*place)) return {shelf, *place};
    std::erase_if(places, [&](std::size_t place) {
        auto const& shelves = places_[place].shelves;
        return std::none_of(shelves.begin(), shelves.end(), [&](auto* shelf) { return shelf->lines.contains(place); });
    });
    auto const nearest = *std::min_element(highest.begin(), highest.end(), [](auto const* a, auto const* b) {
        return *a->octaves.begin()->second.begin() < *b->octaves.begin()->second.begin();
    });
    auto const place = nearest->octaves.begin()->second.begin()->second;
    return {shelf_at(place), place};
}

std::optional<std::size_t> WorkQueue::take(std::vector<Need> const& needs, std::vector<std::size_t>& places) {
    auto const [shelf, place] = choose(needs, places);
    if (shelf == nullptr) return std::nullopt;
    auto const item = take_longest(*shelf, place);
    if (places.empty() || places.back() != place) {
        auto const known = std::find(places.begin(), places.end(), place);
        if (known == places.end()) {
            note_node_at(place);
        } else {
            places.erase(known);
        }
        places.push_back(place);
    }
    return item;
}

std::vector<std::size_t> WorkQueue::take_all(Need const& need) {
    std::vector<std::size_t> items;
    auto const shelf = shelves_.find(need);
    if (shelf == shelves_.end()) return items;
    for (auto const& [place, line] : shelf->second.lines)
        for (auto const& [cost, item] : line) items.push_back(item);
    shelf->second.lines.clear();
    shelf->second.octaves.clear();
    size_ -= items.size();
    std::sort(items.begin(), items.end());
    return items;
}

std::vector<Need> WorkQueue::needs() const {
    std::vector<Need> open;
    for (auto const& [need, shelf] : shelves_)
        if (!shelf.lines.empty()) open.push_back(need);
    return open;
}

}  // namespace kvstone
