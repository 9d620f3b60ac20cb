#pragma once
// One point of a scenario's grid: the smallest thing that is dispatched, measured, stored and compared.

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace kvstone {

using Json = nlohmann::json;

/// Identity is the canonical text alone: compact JSON with sorted keys, options at their default left out, sources by
/// content hash. Whatever is outside it (paths, display names, how long to measure) may change without making another
/// cell.
struct Cell {
    std::string canonical;  ///< one line
    std::string id;         ///< 16 hexadecimal digits: XXH3-64 of canonical

    // The same, taken apart.
    std::string workload;      ///< "roundtrip"
    Json source;               ///< {"kind":"model"|"synthetic"|"dump", ...} as identified: content hashes, no paths
    std::uint64_t context = 0;  ///< tokens; 0: as many as the source has
    std::uint64_t batch = 1;
    std::string codec;    ///< canonical codec text
    std::string backend;  ///< "openmp"
    int threads = 0;      ///< host threads; 0: all cores of the node

    // Outside the identity.
    std::string codec_name;   ///< display name; the codec text where the scenario gives none
    std::string source_name;  ///< display name: the model's or shape's name, or the file's
    Json locator;             ///< how this machine finds the source: {"path": "/abs/file", ...}; what source hashed

    bool operator==(Cell const& other) const { return canonical == other.canonical; }
};

/// Writes canonical and id from the other identity members.
void identify(Cell& cell);
/// The identity members of a canonical text. Throws ConfigError where it is not one.
Cell cell_from_canonical(std::string const& canonical);
/// All members, for sending a cell to another process or rank.
Json to_json(Cell const& cell);
Cell cell_from_json(Json const& json);

}  // namespace kvstone
