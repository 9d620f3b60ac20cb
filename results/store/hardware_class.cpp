#include "results/store/hardware_class.hpp"

#include <algorithm>
#include <cstdint>

#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t least_tolerance_bytes = std::uint64_t{512} << 20;

std::uint64_t memory_of(Json const& facts) {
    auto const found = facts.find("memory_bytes");
    return found != facts.end() && found->is_number() ? found->get<std::uint64_t>() : 0;
}

std::uint64_t distance(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : b - a; }

bool same_memory(std::uint64_t a, std::uint64_t b) {
    if (a == 0 || b == 0) return a == b;
    return distance(a, b) <= std::max(least_tolerance_bytes, std::max(a, b) / 16);
}

bool same_member(Json const& facts, Json const& other, char const* name) {
    return facts.value(name, Json()) == other.value(name, Json());
}

/// Every class with the facts of its first host, the oldest first.
template <class Visit>
void for_each_class(sqlite3* connection, Visit visit) {
    Statement host(connection,
                   "SELECT hardware_class, facts, min(id) FROM host WHERE hardware_class IS NOT NULL GROUP BY "
                   "hardware_class ORDER BY min(id)");
    while (host.step()) visit(host.text(0), parse_json_or_discard(host.text(1)));
}

}  // namespace

bool same_hardware(Json const& facts, Json const& other) {
    if (!facts.is_object() || !other.is_object() || !facts.contains("cpu_model")) return false;
    if (!same_member(facts, other, "instrument")) return false;
    if (facts.contains("instrument")) return same_member(facts, other, "vector_units");
    return same_member(facts, other, "cpu_model") && same_member(facts, other, "cores") &&
           same_member(facts, other, "gpus") && same_member(facts, other, "vector_units") &&
           same_memory(memory_of(facts), memory_of(other));
}

HardwareClasses::HardwareClasses(sqlite3* connection) {
    for_each_class(connection,
                   [this](std::string name, Json facts) { known_.push_back({std::move(name), std::move(facts)}); });
}

std::string HardwareClasses::of(Json const& facts) {
    auto const found = facts.is_object() ? facts.find("hardware_class") : facts.end();
    if (!facts.is_object() || found == facts.end() || !found->is_string()) return {};
    auto own = found->get<std::string>();
    if (std::ranges::find(known_, own, &Known::name) != known_.end()) return own;
    Known const* nearest = nullptr;
    auto const apart = [&](Known const& known) { return distance(memory_of(known.facts), memory_of(facts)); };
    for (auto const& known : known_)
        if (same_hardware(known.facts, facts) && (nearest == nullptr || apart(known) < apart(*nearest)))
            nearest = &known;
    if (nearest != nullptr) return nearest->name;
    known_.push_back({own, facts});
    return own;
}

void unify_hardware_classes(sqlite3* connection) {
    std::vector<std::pair<std::string, Json>> kept;
    std::vector<std::pair<std::string, std::string>> renamed;
    for_each_class(connection, [&](std::string name, Json facts) {
        auto const same = std::ranges::find_if(kept, [&](auto const& one) { return same_hardware(one.second, facts); });
        if (same != kept.end())
            renamed.emplace_back(std::move(name), same->first);
        else
            kept.emplace_back(std::move(name), std::move(facts));
    });
    for (auto const& [from, to] : renamed)
        for (std::string const table : {"host", "campaign", "gate_run"})
            Statement(connection, "UPDATE " + table + " SET hardware_class = ? WHERE hardware_class = ?").run(to, from);
}

}  // namespace kvstone
