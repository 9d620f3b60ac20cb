#pragma once
// Mistakes in scenarios, and their errors. In each text an @ stands right before the place that the error must
// name.

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "scenarios/scenario.hpp"
#include "tests/scenarios/fake_vocabulary.hpp"

namespace kvstone {

struct Marked {
    std::string text;
    int line = 0;
    int column = 0;
};

inline Marked marked(std::string text) {
    auto const at = text.find('@');
    if (at == std::string::npos) throw std::logic_error("no place marked in " + text);
    text.erase(at, 1);
    auto const line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
    auto const newline = text.rfind('\n', at == 0 ? 0 : at - 1);
    auto const column = line == 1 ? at + 1 : at - newline;
    return {text, static_cast<int>(line), static_cast<int>(column)};
}

/// A valid scenario but for the value that stands for one of its slots.
inline std::string scenario_with(std::string const& slot, std::string const& value) {
    std::string text;
    std::pair<char const*, char const*> const slots[] = {{"kvstone: ", "1"},
                                                         {"name: ", "test"},
                                                         {"sources: ", "[synthetic: {shape: gpt2}]"},
                                                         {"grid: ", ""},
                                                         {"  context: ", "[512, 1k]"},
                                                         {"  codec: ", "[raw, {name: eight, codec: int8}]"},
                                                         {"  backend: ", "[openmp]"},
                                                         {"  batch: ", "[1]"},
                                                         {"workloads: ", "[roundtrip]"},
                                                         {"measure: ", "{}"},
                                                         {"", ""}};
    for (auto const& [key, by_default] : slots) {
        bool const chosen = slot + ": " == std::string(key) || "  " + slot + ": " == key || (slot.empty() && !*key);
        text += key + (chosen ? value : std::string(by_default)) + "\n";
    }
    return text;
}

/// The error behind "test.yaml:LINE:COLUMN: ", having checked that it stands at the marked place.
inline std::string refusal(std::string const& with_mark, std::string const& folder = "/nonexistent") {
    auto const yaml = marked(with_mark);
    try {
        parse_plan(yaml.text, "test.yaml", folder, fake_vocabulary());
    } catch (ConfigError const& error) {
        EXPECT_EQ(error.place().file, "test.yaml") << yaml.text;
        EXPECT_EQ(error.place().line, yaml.line) << yaml.text << error.what();
        EXPECT_EQ(error.place().column, yaml.column) << yaml.text << error.what();
        std::string const what = error.what();
        auto const prefix = "test.yaml:" + std::to_string(yaml.line) + ":" + std::to_string(yaml.column) + ": ";
        return what.starts_with(prefix) ? what.substr(prefix.size()) : what;
    }
    return "accepted";
}

}  // namespace kvstone
