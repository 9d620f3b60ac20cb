#pragma once
// Where larger test files lie: a folder beside the checkout, which not everybody has.

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "tests/places.hpp"

namespace kvstone {

/// The file `relative` below $KVSTONE_TEST_DATA, or below ../shared/data of the source folder; nothing where it is absent.
inline std::optional<std::filesystem::path> test_data(std::filesystem::path const& relative) {
    char const* named = std::getenv("KVSTONE_TEST_DATA");
    auto const folder = named != nullptr ? std::filesystem::path(named)
                                         : std::filesystem::path(source_folder()) / ".." / "shared" / "data";
    auto const path = folder / relative;
    if (!std::filesystem::exists(path)) return std::nullopt;
    return std::filesystem::canonical(path);
}

}  // namespace kvstone
