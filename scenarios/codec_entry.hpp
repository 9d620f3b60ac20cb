#pragma once
// The `grid.codec:` list of a scenario.

#include <string>
#include <vector>

#include "scenarios/scenario.hpp"
#include "scenarios/yaml_reader.hpp"

namespace kvstone {

struct CodecEntry {
    std::string text;  ///< canonical
    std::string name;  ///< for display; the text where none was given
};

/// Each item is a codec text, {name, codec: TEXT}, or the map form, which stands for the rules
///   layers(R){P}... heads(R){P}... sink(N){raw} window(N){raw} k{P} v{P} rest{P}        (in this order)
/// of {name, layers: {R: P, ...}, heads: {R: P, ...}, sink: N, window: N, k: P, v: P, rest: P}. Equal codecs are taken
/// once, the first one's name stays. Throws ConfigError, also for one name on two codecs.
std::vector<CodecEntry> codecs_of(YamlValue const& list, Vocabulary const& vocabulary);

/// The canonical text of a codec text at `value`; what the vocabulary refuses is told with the place.
std::string canonical_codec_at(YamlValue const& value, std::string const& text, Vocabulary const& vocabulary);

}  // namespace kvstone
