#pragma once
// The `grid.codec:` list of a scenario.

#include <string>
#include <vector>

#include "scenarios/scenario.hpp"
#include "scenarios/yaml_reader.hpp"

namespace kvstone {

/// The codec of an entry for one source.
struct SourceCodec {
    std::string source;  ///< display name
    std::string text;    ///< canonical
    std::string path;    ///< of the map that holds it: "grid.codec.2.sources"
    TextPlace place;     ///< of the source's name
};

struct CodecEntry {
    std::string text;                           ///< canonical; of every source that is not named below
    std::string name;                           ///< for display; the text where none was given
    std::vector<SourceCodec> sources;           ///< settings for these sources
    std::vector<std::string> other_names = {};  ///< names of later entries with the same text

    /// The text for a source with this name, or with one of the aliases.
    std::string const& text_for(std::string const& source, std::vector<std::string> const& aliases) const;
};

/// Each item is a codec text, {name, codec: TEXT}, or the map form, which stands for the rules
///   layers(R){P}... heads(R){P}... sink(N){raw} window(N){raw} k{P} v{P} rest{P}        (in this order)
/// of {name, layers: {R: P, ...}, heads: {R: P, ...}, sink: N, window: N, k: P, v: P, rest: P}. Where `k` or `v` is a
/// list of pipelines, the map stands for all pairs of them, and has no name; `grid.codec` may be such a map itself.
/// Either map may have `keep: "policy=P,share=S"`, the options of the stage in front of the codec that drops tokens, and
/// `sources: {NAME: TEXT, ...}`, the codecs of single sources by their display names; all go by the
/// entry's name, which it then must have. Equal codecs are taken once under the first name given to one of them; the names of the
/// others mean the same codec. Throws ConfigError, also for one name on two codecs and for a name that is the text of
/// another one.
std::vector<CodecEntry> codecs_of(YamlValue const& list, Vocabulary const& vocabulary);

/// Refuses settings for sources that are not among `names`.
void check_source_codecs(std::vector<CodecEntry> const& codecs, std::vector<std::string> const& names);

/// A codec's text as one line: tabs and line ends, as block scalars have them, are blanks. Throws as text_of().
std::string codec_text_of(YamlValue const& value);

/// The canonical text of a codec text at `value`; errors of the vocabulary are thrown with the place.
std::string canonical_codec_at(YamlValue const& value, std::string const& text, Vocabulary const& vocabulary);

}  // namespace kvstone
