// Any text may be handed in as a scenario: it gives a plan or a ConfigError, nothing else.

#include <cstddef>
#include <cstdint>
#include <string>

#include "scenarios/scenario.hpp"
#include "tests/scenarios/fake_vocabulary.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    static auto const vocabulary = kvstone::fake_vocabulary();
    std::string const text(reinterpret_cast<char const*>(data), size);
    try {
        kvstone::parse_plan(text, "fuzz.yaml", "/nonexistent", vocabulary);
    } catch (kvstone::ConfigError const&) {
        // The expected error for a text that is no scenario.
    }
    return 0;
}
