#pragma once
// Names of whole codecs: for readers who do not want to learn the grammar, and for codecs of papers, whose texts are
// long.

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codecs/calibration.hpp"
#include "codecs/options.hpp"

namespace kvstone {

struct Preset {
    std::string_view name;
    std::string_view text;  ///< canonical; the name stands for this text; $NAME is an option's value
    std::string_view summary;
    std::string_view source;  ///< a paper, or code as shipped
    std::vector<OptionSpec> options = {};
    /// For a preset with option bases: the groups that the file must have, and whether its bases of K must include
    /// queries.
    CalibrationGroups groups = {};
    bool queries = false;
    /// Makes the text where it depends on more than the options' values; null: `text` with these filled in.
    std::string (*write)(Options const& options) = nullptr;

    /// Whether it needs a file of `kvstone calibrate`.
    bool needs_bases() const;
    /// The spelling for people: "palu:bases=FILE.safetensors".
    std::string usage() const;
    /// The codec's text. Throws ConfigError where options are not accepted, and where a file of bases is missing or has
    /// other groups; the message then says how to make one.
    std::string codec_text(std::vector<std::pair<std::string, std::string>> const& given) const;
};

/// From the most careful to the smallest, then those of papers.
std::span<Preset const> presets();
/// Null where no preset has that name.
Preset const* find_preset(std::string_view name);

}  // namespace kvstone
