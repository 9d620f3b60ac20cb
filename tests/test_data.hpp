#pragma once
// Where larger test files lie, which not everybody has: a folder beside the checkout, and what ./dev data has fetched.

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "scenarios/cache_folder.hpp"
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

/// As the caller of the test program has it: tests give themselves caches of their own.
inline std::string const fetched_folder = cache_folder("data");

/// The model that `./dev data NAME` has fetched; nothing where it has not. A test that needs it says so:
///     auto const model = fetched_test_model("smollm2");
///     if (!model) GTEST_SKIP() << run_dev_data("smollm2");
inline std::optional<std::filesystem::path> fetched_test_model(std::string const& name) {
    auto const path = std::filesystem::path(fetched_folder) / (name + ".gguf");
    if (fetched_folder.empty() || !std::filesystem::exists(path)) return std::nullopt;
    return path;
}
/// The reason that .ci/skipped holds against the data that is there.
inline std::string run_dev_data(std::string const& name) { return "run ./dev data " + name; }

}  // namespace kvstone
