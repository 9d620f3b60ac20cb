#pragma once
// The `codecs:` of a scenario: codecs that are no part of this program, by the names that the scenario gives them.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/json.hpp"
#include "scenarios/source_entry.hpp"

namespace kvstone {

/// codecs:
///   mine:   {command: [python3, mine.py, --bits, "3"], files: [mine.py], bits: 3}
///   theirs: {library: ./libtheirs.so, options: {bits: 4}, files: [table.bin]}
///   done:   {decoded: decoded.safetensors, bytes: 123456}
/// A command runs in the scenario's folder, so that its arguments may name files there. `files` are those whose content
/// makes the codec what it is; of a library, the library itself is always one. A library named without a slash that does not
/// lie beside the scenario is one that ships with KVstone (shipped_library()). `bits` are the bits per value that the
/// codec's author promises. `by_token: true` says that the codec codes every token by itself. A value of `options` is a
/// scalar; the library gets its text. `decoded` is a dump of K and V as some codec brought them back, and `bytes` what it
/// stored them in, of both together: nothing is coded here, and the number is believed.
struct ExternalDefinition {
    std::string name;
    std::string kind;                            ///< "command", "library" or "declared"
    std::vector<std::string> command;            ///< arguments as the scenario has them
    std::string library;                         ///< absolute path
    std::map<std::string, std::string> options;  ///< of a library
    std::optional<double> bits;
    std::uint64_t bytes = 0;  ///< of kind declared
    bool by_token = false;    ///< no token's values depend on another's
    std::string folder;       ///< of the scenario, absolute

    struct File {
        std::string name;    ///< as the scenario has it; "" for the library, or for the dump of decoded values
        std::string path;    ///< absolute
        std::string sha256;  ///< named_hash()
        bool operator==(File const&) const = default;
    };
    std::vector<File> files;  ///< in the scenario's order; the library, or the dump, first

    /// The first 16 digits of the SHA-256 over all that makes it this codec: kind, arguments or options, bits, names and
    /// content of the files. Neither its own name nor a path counts.
    std::string hash() const;
    bool operator==(ExternalDefinition const&) const = default;
};

/// The value of `codecs:`. Throws ConfigError with file, line and key: an unknown or missing key, a name that is no
/// word or that a stage or preset of `vocabulary` has, a file that cannot be read.
std::vector<ExternalDefinition> external_definitions_of(YamlValue const& map, SourceFiles const& files,
                                                        Vocabulary const& vocabulary);

/// For Cell::locator["codecs"], a list: the definitions that the cell's codec names.
Json to_json(ExternalDefinition const& definition);
/// Throws Json::exception.
ExternalDefinition external_definition_from_json(Json const& json);

/// Words in which codecs may have these names, and no other codecs from outside.
Vocabulary with_externals(Vocabulary words, std::vector<ExternalDefinition> const& definitions);

/// A codec text in which names of definitions at the place of a stage are written as stages of this program
/// ("external:name=mine,kind=command,hash=..."); the rest is unchanged.
std::string with_external_stages(std::string const& text, std::vector<ExternalDefinition> const& definitions);
/// The reverse, for people: the same text with the plain names. Needs no definitions.
std::string with_plain_names(std::string const& text);
/// Whether a canonical codec text names a command.
bool names_command(std::string const& text);
/// The definitions that a canonical codec text names.
std::vector<ExternalDefinition> definitions_in(std::string const& text,
                                               std::vector<ExternalDefinition> const& definitions);

}  // namespace kvstone
