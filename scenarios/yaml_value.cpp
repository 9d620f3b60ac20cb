#include "scenarios/yaml_value.hpp"

#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "scenarios/text.hpp"

namespace kvstone {
namespace {

/// Builds the tree from the parser's events, which (unlike its own nodes) keep the places of keys and both of two equal
/// keys, and cannot be blown up by aliases unseen.
class TreeBuilder : public YAML::EventHandler {
  public:
    explicit TreeBuilder(std::string file) : file_(std::move(file)) {}

    YamlValue take_root() { return std::move(root_); }

    void OnDocumentStart(YAML::Mark const&) override {}
    void OnDocumentEnd() override {}
    void OnNull(YAML::Mark const& mark, YAML::anchor_t anchor) override {
        finish(begin(YamlValue::Kind::nothing, mark, ""), anchor);
    }
    void OnAlias(YAML::Mark const& mark, YAML::anchor_t anchor) override {
        auto const found = anchored_.find(anchor);
        if (found == anchored_.end()) throw ConfigError("an alias inside its own anchor", {}, {}, place(mark));
        count(found->second.values, mark);
        YamlValue copy = found->second.value;
        copy.place = place(mark);
        add(std::move(copy));
    }
    void OnScalar(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor,
                  std::string const& text) override {
        auto value = begin(YamlValue::Kind::scalar, mark, tag);
        value.quoted = tag == "!";
        value.text = text;
        finish(std::move(value), anchor);
    }
    void OnSequenceStart(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open_.push_back({begin(YamlValue::Kind::list, mark, tag), anchor, values_, {}, {}});
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open_.push_back({begin(YamlValue::Kind::map, mark, tag), anchor, values_, {}, {}});
    }
    void OnMapEnd() override { close(); }

  private:
    /// A list or map whose end has not come.
    struct Open {
        YamlValue value;
        YAML::anchor_t anchor;
        std::size_t values_before;  ///< how many values had been seen when it began
        std::optional<YamlValue> key;
        std::unordered_map<std::string, int> line_of_key;
    };
    struct Anchored {
        YamlValue value;
        std::size_t values;  ///< in it, itself included
    };

    TextPlace place(YAML::Mark const& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

    void count(std::size_t values, YAML::Mark const& mark) {
        values_ += values;
        if (values_ > max_yaml_values)
            throw ConfigError(fmt::format("more than {} values", max_yaml_values), {}, {}, place(mark));
    }

    YamlValue begin(YamlValue::Kind kind, YAML::Mark const& mark, std::string const& tag) {
        if (!tag.empty() && tag != "?" && tag != "!")
            throw ConfigError("tags are not accepted", excerpt(tag), {}, place(mark));
        count(1, mark);
        YamlValue value;
        value.kind = kind;
        value.place = place(mark);
        return value;
    }

    void finish(YamlValue value, YAML::anchor_t anchor, std::size_t values = 1) {
        if (anchor != YAML::NullAnchor) anchored_[anchor] = {value, values};
        add(std::move(value));
    }

    void close() {
        auto open = std::move(open_.back());
        open_.pop_back();
        finish(std::move(open.value), open.anchor, values_ - open.values_before + 1);
    }

    void add(YamlValue value) {
        if (open_.empty()) {
            root_ = std::move(value);
            return;
        }
        auto& parent = open_.back();
        if (parent.value.kind == YamlValue::Kind::list) {
            parent.value.items.push_back(std::move(value));
        } else if (parent.key) {
            parent.value.entries.push_back({parent.key->text, parent.key->place, std::move(value)});
            parent.key.reset();
        } else {
            accept_key(parent, std::move(value));
        }
    }

    static void accept_key(Open& parent, YamlValue key) {
        if (key.kind != YamlValue::Kind::scalar) throw ConfigError("a key must be one word", {}, {}, key.place);
        auto const [first, is_new] = parent.line_of_key.emplace(key.text, key.place.line);
        if (!is_new)
            throw ConfigError(fmt::format("key given twice (first in line {})", first->second), excerpt(key.text), {},
                              key.place);
        parent.key = std::move(key);
    }

    std::string file_;
    YamlValue root_;
    std::vector<Open> open_;
    std::map<YAML::anchor_t, Anchored> anchored_;
    std::size_t values_ = 0;
};

void name_paths(YamlValue& value, std::string path) {
    auto const below = [&path](std::string const& step) { return path.empty() ? step : path + "." + step; };
    for (std::size_t i = 0; i < value.items.size(); ++i) name_paths(value.items[i], below(std::to_string(i)));
    for (auto& entry : value.entries) name_paths(entry.value, below(excerpt(entry.key)));
    value.path = std::move(path);
}

void check_is_text(std::string const& text, std::string const& name) {
    if (text.size() > max_yaml_bytes)
        throw ConfigError(fmt::format("a text of {} bytes; {} are accepted", text.size(), max_yaml_bytes), {}, {},
                          {name, 0, 0});
    auto const bad = first_unreadable(text);
    if (bad == std::string::npos) return;
    int line = 1;
    int column = 1;
    for (std::size_t i = 0; i < bad; ++i) {
        column = text[i] == '\n' ? 1 : column + 1;
        line += text[i] == '\n' ? 1 : 0;
    }
    throw ConfigError("not a text file in UTF-8", fmt::format("byte 0x{:02x}", static_cast<unsigned char>(text[bad])),
                      {}, {name, line, column});
}

/// Where a broken text has a tab in the indentation of a line up to `last`, or of the one behind it, that tab broke
/// it.
void refuse_tabs(std::string_view text, std::string const& name, int last) {
    for (int line = 1; line <= last + 1 && !text.empty(); ++line) {
        auto const indentation = text.substr(0, text.find_first_not_of(" \t"));
        if (auto const tab = indentation.find('\t'); tab != std::string_view::npos)
            throw ConfigError("a tab in the indentation: YAML takes spaces alone", {}, {"two spaces"},
                              {name, line, static_cast<int>(tab) + 1});
        auto const end = text.find('\n');
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

void replace_places(YamlValue& value, TextPlace const& place) {
    value.place = place;
    for (auto& item : value.items) replace_places(item, place);
    for (auto& entry : value.entries) {
        entry.key_place = place;
        replace_places(entry.value, place);
    }
}

YamlValue& step_into(YamlValue& value, std::string const& step, TextPlace const& place) {
    if (value.kind == YamlValue::Kind::list) {
        std::vector<std::string> indices;
        for (std::size_t i = 0; i < value.items.size(); ++i) {
            indices.push_back(std::to_string(i));
            if (indices.back() == step) return value.items[i];
        }
        throw ConfigError(value.path + ": no such index in this list", excerpt(step), indices, place);
    }
    if (value.kind == YamlValue::Kind::scalar)
        throw ConfigError(value.path + ": is neither a list nor a map", excerpt(step), {}, place);
    value.kind = YamlValue::Kind::map;
    for (auto& entry : value.entries)
        if (entry.key == step) return entry.value;
    value.entries.push_back({step, place, {}});
    value.entries.back().value.place = place;
    return value.entries.back().value;
}

}  // namespace

YamlValue read_yaml(std::string const& text, std::string const& name) {
    if (is_utf16(text)) throw ConfigError("a text in UTF-16", {}, {"UTF-8"}, {name, 1, 1});
    check_is_text(text, name);
    std::istringstream stream(text);
    TreeBuilder builder(name);
    try {
        YAML::Parser parser(stream);
        if (!parser.HandleNextDocument(builder))
            throw ConfigError("nothing but space and comments", {}, {}, {name, 1, 1});
        auto root = builder.take_root();
        TreeBuilder second(name);
        if (parser.HandleNextDocument(second))
            throw ConfigError("more than one YAML document", {}, {}, second.take_root().place);
        name_paths(root, "");
        return root;
    } catch (YAML::Exception const& error) {
        refuse_tabs(text, name, error.mark.line + 1);
        throw ConfigError("broken YAML: " + error.msg, {}, {}, {name, error.mark.line + 1, error.mark.column + 1});
    }
}

YamlValue read_yaml_file(std::string const& path) { return read_yaml(read_small_file(path), path); }

void override_value(YamlValue& root, std::string const& path, std::string const& yaml) {
    TextPlace const place{"--set " + excerpt(path), 0, 0};
    if (first_unreadable(path) != std::string::npos) throw ConfigError("not UTF-8", {}, {}, {"--set", 0, 0});
    YamlValue* target = &root;
    for (std::size_t begin = 0; begin <= path.size();) {
        auto const end = std::min(path.find('.', begin), path.size());
        if (end == begin) throw ConfigError("expected a key such as grid.context", excerpt(path), {}, place);
        target = &step_into(*target, path.substr(begin, end - begin), place);
        begin = end + 1;
    }
    YamlValue value;
    try {
        value = read_yaml(yaml, place.file);
    } catch (ConfigError const& error) {
        throw error.at(place);
    }
    replace_places(value, place);
    *target = std::move(value);
    name_paths(root, "");
}

}  // namespace kvstone
