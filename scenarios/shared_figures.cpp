#include "scenarios/shared_figures.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace kvstone {

void share_figures(std::vector<Cell>& cells, std::vector<std::string>& required, Vocabulary const& vocabulary) {
    std::map<std::pair<std::string, std::string>, std::string> known;
    std::unordered_map<std::string, std::string> first_ids;
    std::unordered_map<std::string, std::string> in_place_of;
    auto const is_repeated = [&](Cell const& cell) {
        auto const part = vocabulary.measured_of_codec.find(cell.workload);
        if (part == vocabulary.measured_of_codec.end()) return false;
        auto const [measured, is_new] = known.try_emplace({cell.workload, cell.codec});
        if (is_new) measured->second = part->second(cell.codec);
        auto alike = cell;
        alike.codec = measured->second;
        identify(alike);
        auto const [first, is_first] = first_ids.emplace(std::move(alike.canonical), cell.id);
        if (!is_first) in_place_of.emplace(cell.id, first->second);
        return !is_first;
    };
    std::erase_if(cells, is_repeated);
    std::vector<std::string> kept;
    for (auto const& id : required) {
        auto const found = in_place_of.find(id);
        auto const& there = found == in_place_of.end() ? id : found->second;
        if (std::ranges::find(kept, there) == kept.end()) kept.push_back(there);
    }
    required = std::move(kept);
}

}  // namespace kvstone
