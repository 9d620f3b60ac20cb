#pragma once
// Words that stand for a whole codec, for whom the grammar is not the question.

#include <span>
#include <string_view>

namespace kvstone {

struct Preset {
    std::string_view name;
    std::string_view text;  ///< canonical: what the word is an abbreviation of, everywhere
    std::string_view summary;
};

/// From the most careful to the smallest.
std::span<Preset const> presets();
/// Null where no preset has that name.
Preset const* find_preset(std::string_view name);

}  // namespace kvstone
