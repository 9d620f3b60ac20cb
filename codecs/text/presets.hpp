#pragma once
// Words that stand for a whole codec, for whom the grammar is not the question, and for codecs of papers, for whom it is long.

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
    std::string_view text;  ///< canonical: what the word is an abbreviation of, everywhere; $NAME is an option's value
    std::string_view summary;
    std::string_view source;  ///< a paper, or code as shipped
    std::vector<OptionSpec> options = {};
    /// Of a preset with option bases: what the file has to be of, and whether queries are in its bases of K.
    CalibrationGroups groups = {};
    bool queries = false;
    /// Where the text depends on more than its options' values; null: `text` with these filled in.
    std::string (*write)(Options const& options) = nullptr;

    /// Whether it stands for nothing without a file of `kvstone calibrate`.
    bool needs_bases() const;
    /// As people write it: "palu:bases=FILE.safetensors".
    std::string usage() const;
    /// The codec's text. Throws ConfigError where options are not accepted, and where a file of bases is missing or of other
    /// vectors; it then says how to make one.
    std::string codec_text(std::vector<std::pair<std::string, std::string>> const& given) const;
};

/// From the most careful to the smallest, and then those of papers.
std::span<Preset const> presets();
/// Null where no preset has that name.
Preset const* find_preset(std::string_view name);

}  // namespace kvstone
