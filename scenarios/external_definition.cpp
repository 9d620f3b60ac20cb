#include "scenarios/external_definition.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "scenarios/content_hash.hpp"
#include "scenarios/own_program.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

constexpr std::size_t most_definitions = 256;
constexpr std::size_t longest_name = 64;
constexpr std::size_t hash_digits = 16;
constexpr std::string_view stage_prefix = "external:name=";

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_-.+/").find(c) != std::string_view::npos;
}

bool is_name(std::string const& name) {
    return !name.empty() && name.size() <= longest_name && std::isalpha(static_cast<unsigned char>(name[0])) != 0 &&
           std::ranges::all_of(
               name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-'; });
}

void add_file(ExternalDefinition& definition, YamlValue const& value, std::string path, SourceFiles const& files) {
    auto const& name = text_of(value);
    if (std::ranges::any_of(definition.files, [&](auto const& file) { return file.path == path; }))
        refuse(value, "a file that is given twice");
    auto sha256 = files.hash(value, path);
    definition.files.push_back({name, std::move(path), std::move(sha256)});
}
void add_file(ExternalDefinition& definition, YamlValue const& value, SourceFiles const& files) {
    add_file(definition, value, files.absolute(value, text_of(value)), files);
}

/// Whether a file begins as a shared library in ELF does (System V ABI: e_ident, then e_type), of whatever processor.
bool is_shared_library(std::string const& path) {
    constexpr char shared_object = 3;
    std::array<char, 18> head{};
    std::ifstream(path, std::ios::binary).read(head.data(), head.size());
    bool const big_endian = head[5] == 2;
    return std::string_view(head.data(), 4) == "\177ELF" && head[big_endian ? 17 : 16] == shared_object;
}

/// A name without a slash that no file beside the scenario has is that of a library that ships with KVstone.
std::string library_path(YamlValue const& value, SourceFiles const& files) {
    auto const& name = text_of(value);
    auto beside = files.absolute(value, name);
    if (name.find('/') != std::string::npos || std::filesystem::exists(beside)) return beside;
    auto const shipped = shipped_library(name);
    if (!std::filesystem::exists(shipped))
        refuse(value,
               fmt::format("there is no such library beside the scenario, and none ships with KVstone in {}",
                           shipped.parent_path().string()),
               {"./libmine.so", "/path/to/libmine.so"});
    return shipped.string();
}

void read_command(ExternalDefinition& definition, YamlValue const& value) {
    definition.kind = "command";
    for (auto const& argument : items_of(value)) {
        if (argument.kind != YamlValue::Kind::scalar || argument.text.find('\0') != std::string::npos)
            refuse(argument, "an argument is a text", {R"([python3, mine.py, --bits, "3"])"});
        definition.command.push_back(argument.text);
    }
    if (definition.command.front().empty()) refuse(value, "the first argument is the program", {"[python3, mine.py]"});
}

void read_options(ExternalDefinition& definition, YamlValue const& value) {
    if (value.kind != YamlValue::Kind::map) refuse(value, "expected options", {"{bits: 4}"});
    for (auto const& [key, place, option] : value.entries) {
        if (option.kind != YamlValue::Kind::scalar) refuse(option, "an option is a text or a number", {"bits: 4"});
        definition.options[key] = option.text;
    }
}

void read_decoded(ExternalDefinition& definition, YamlMap const& map, YamlValue const& value,
                  SourceFiles const& files) {
    constexpr std::uint64_t most_bytes = std::uint64_t{1} << 50;
    definition.kind = "declared";
    add_file(definition, value, files);
    definition.files[0].name.clear();
    definition.bytes = whole_number_of(map.at("bytes"), 0, most_bytes);
}

ExternalDefinition definition_of(YamlEntry const& entry, SourceFiles const& files, Vocabulary const& vocabulary) {
    auto const& [name, place, value] = entry;
    if (!is_name(name))
        throw ConfigError("codecs: a name is a letter, then letters, digits, _ and -", name, {"mine"}, place);
    if (std::ranges::count(vocabulary.codec_names, name) > 0)
        throw ConfigError("codecs: a stage or preset of KVstone has this name", name, {"my-" + name}, place);
    YamlMap const map(value, {"command", "library", "decoded", "files", "options", "bits", "bytes", "by_token"});
    auto const* command = map.find("command");
    auto const* library = map.find("library");
    auto const* decoded = map.find("decoded");
    if ((command != nullptr) + (library != nullptr) + (decoded != nullptr) != 1)
        refuse(value, "expected a command, a library or decoded values",
               {"{command: [python3, mine.py], files: [mine.py]}", "{library: ./libmine.so}",
                "{decoded: decoded.safetensors, bytes: 123456}"});
    ExternalDefinition definition;
    definition.name = name;
    definition.folder =
        std::filesystem::absolute(files.folder.empty() ? "." : files.folder).lexically_normal().string();
    if (command != nullptr) {
        read_command(definition, *command);
    } else if (decoded != nullptr) {
        read_decoded(definition, map, *decoded, files);
    } else {
        definition.kind = "library";
        add_file(definition, *library, library_path(*library, files), files);
        if (!is_shared_library(definition.files[0].path))
            refuse(*library, "this file is no shared library", {"one that a compiler made with -shared: ./libmine.so"});
        definition.files[0].name.clear();
        definition.library = definition.files[0].path;
    }
    if (auto const* options = map.find("options")) {
        if (library == nullptr)
            refuse(*options, "options are those of a library; a command has them among its arguments",
                   {"command: [...]"});
        read_options(definition, *options);
    }
    if (auto const* bytes = map.find("bytes"); bytes != nullptr && decoded == nullptr)
        refuse(*bytes, "the bytes of a command or a library are counted, not declared");
    if (auto const* named = map.find("files"))
        for (auto const& file : items_of(*named)) add_file(definition, file, files);
    if (auto const* by_token = map.find("by_token")) {
        if (decoded != nullptr) refuse(*by_token, "of decoded values nothing is coded");
        definition.by_token = switch_of(*by_token);
    }
    if (auto const* bits = map.find("bits")) {
        definition.bits = number_of(*bits);
        if (*definition.bits <= 0 || *definition.bits > 32) refuse(*bits, "bits per value", {"(0, 32]"});
    }
    return definition;
}

std::string stage_of(ExternalDefinition const& definition) {
    return fmt::format("{}{},kind={},hash={}{}", stage_prefix, definition.name, definition.kind, definition.hash(),
                       definition.by_token ? ",access=token" : "");
}

/// Calls visit(first, end) for the place of each word that stands where a stage can.
void each_stage(std::string const& text, auto const& visit) {
    bool expected = text.find('{') == std::string::npos;
    for (std::size_t at = 0; at < text.size(); ++at) {
        char const c = text[at];
        if (c == ' ') continue;
        if (expected && is_word(c)) {
            auto end = at;
            while (end < text.size() && is_word(text[end])) ++end;
            visit(at, end);
            at = end - 1;
        }
        expected = c == '{' || c == '|';
    }
}

}  // namespace

std::string ExternalDefinition::hash() const {
    Json what{{"kind", kind}, {"files", Json::array()}};
    if (kind == "command") what["command"] = command;
    if (!options.empty()) what["options"] = options;
    if (bits) what["bits"] = *bits;
    if (kind == "declared") what["bytes"] = bytes;
    for (auto const& file : files) what["files"].push_back({file.name, file.sha256});
    return sha256_of(what.dump(-1, ' ', false, Json::error_handler_t::replace)).substr(0, hash_digits);
}

std::vector<ExternalDefinition> external_definitions_of(YamlValue const& map, SourceFiles const& files,
                                                        Vocabulary const& vocabulary) {
    if (map.kind != YamlValue::Kind::map || map.entries.empty())
        refuse(map, "expected a map from names to codecs", {"{mine: {command: [python3, mine.py], files: [mine.py]}}"});
    if (map.entries.size() > most_definitions)
        refuse(map, fmt::format("at most {} codecs are accepted", most_definitions));
    std::vector<ExternalDefinition> definitions;
    for (auto const& entry : map.entries) definitions.push_back(definition_of(entry, files, vocabulary));
    return definitions;
}

Json to_json(ExternalDefinition const& definition) {
    Json json{
        {"name", definition.name}, {"kind", definition.kind}, {"folder", definition.folder}, {"files", Json::array()}};
    if (!definition.command.empty()) json["command"] = definition.command;
    if (!definition.library.empty()) json["library"] = definition.library;
    if (!definition.options.empty()) json["options"] = definition.options;
    if (definition.bits) json["bits"] = *definition.bits;
    if (definition.by_token) json["by_token"] = true;
    if (definition.kind == "declared") json["bytes"] = definition.bytes;
    for (auto const& [name, path, sha256] : definition.files)
        json["files"].push_back({{"name", name}, {"path", path}, {"sha256", sha256}});
    return json;
}

ExternalDefinition external_definition_from_json(Json const& json) {
    ExternalDefinition definition;
    definition.name = json.at("name");
    definition.kind = json.at("kind");
    definition.folder = json.at("folder");
    definition.command = json.value("command", std::vector<std::string>{});
    definition.library = json.value("library", "");
    definition.options = json.value("options", std::map<std::string, std::string>{});
    definition.bytes = json.value("bytes", std::uint64_t{0});
    definition.by_token = json.value("by_token", false);
    if (json.contains("bits")) definition.bits = json.at("bits").get<double>();
    for (auto const& file : json.at("files"))
        definition.files.push_back({file.at("name"), file.at("path"), file.at("sha256")});
    return definition;
}

Vocabulary with_externals(Vocabulary words, std::vector<ExternalDefinition> const& definitions) {
    words.canonical_codec = [definitions, canonical = words.canonical_codec](std::string const& text) {
        std::vector<std::string> names;
        for (auto const& definition : definitions) names.push_back(definition.name);
        if (text.find(stage_prefix) != std::string::npos)
            throw ConfigError("a scenario says by name which codec of its `codecs:` it means", excerpt(text), names);
        try {
            return canonical(with_external_stages(text, definitions));
        } catch (ConfigError const& error) {
            // The names that the file has given are as good as those of stages.
            auto accepted = error.accepted();
            if (error.message().starts_with("unknown stage"))
                accepted.insert(accepted.end(), names.begin(), names.end());
            throw ConfigError(error.message(), with_plain_names(error.offending()), accepted, error.place());
        }
    };
    return words;
}

std::string with_external_stages(std::string const& text, std::vector<ExternalDefinition> const& definitions) {
    std::string written;
    std::size_t done = 0;
    each_stage(text, [&](std::size_t first, std::size_t end) {
        auto const name = text.substr(first, end - first);
        auto const found = std::ranges::find(definitions, name, &ExternalDefinition::name);
        if (found == definitions.end()) return;
        auto const next = text.find_first_not_of(' ', end);
        if (next != std::string::npos && text[next] == ':')
            throw ConfigError("a codec of `codecs:` has its options in its definition", text.substr(first, 40), {name});
        written += text.substr(done, first - done) + stage_of(*found);
        done = end;
    });
    return written + text.substr(done);
}

std::string with_plain_names(std::string const& text) {
    std::string plain;
    std::size_t done = 0;
    for (auto at = text.find(stage_prefix); at != std::string::npos; at = text.find(stage_prefix, done)) {
        auto const name = at + stage_prefix.size();
        auto const end = std::min(text.find(',', name), text.size());
        plain += text.substr(done, at - done) + text.substr(name, end - name);
        done = std::min(text.find_first_of(" }", end), text.size());
    }
    return plain + text.substr(done);
}

bool names_command(std::string const& text) { return text.find(",kind=command,hash=") != std::string::npos; }

std::vector<ExternalDefinition> definitions_in(std::string const& text,
                                               std::vector<ExternalDefinition> const& definitions) {
    std::vector<ExternalDefinition> named;
    if (text.find(stage_prefix) == std::string::npos) return named;
    for (auto const& definition : definitions)
        if (text.find(stage_of(definition)) != std::string::npos) named.push_back(definition);
    return named;
}

}  // namespace kvstone
