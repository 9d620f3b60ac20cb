#include "harness/workloads/tasks/formats.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "harness/files/mapped_file.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/json.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

/// A line of a task file, read as the item that it should be.
class Line {
  public:
    Line(TextPlace place, std::string_view text) : place_(std::move(place)) {
        try {
            json_ = parse_json(text);
        } catch (Json::parse_error const& error) {
            place_.column = static_cast<int>(error.byte);
            refuse("no JSON", std::string(text), {"one object a line"});
        } catch (Json::out_of_range const&) {
            refuse("JSON with a number too large", std::string(text), {"one object a line"});
        }
        if (!json_.is_object()) refuse("no JSON object", std::string(text), {"one object a line"});
    }
    [[noreturn]] void refuse(std::string const& what, std::string const& offending,
                             std::vector<std::string> const& accepted) const {
        throw ConfigError(what, excerpt(offending), accepted, place_);
    }

    Json const& json() const { return json_; }
    TextPlace const& place() const { return place_; }
    Json const& member(Json const& of, std::string const& name) const {
        if (auto const found = of.find(name); of.is_object() && found != of.end()) return *found;
        refuse("the item lacks a member", name, {});
    }
    std::string text(Json const& of, std::string const& name) const {
        auto const& value = member(of, name);
        if (!value.is_string()) refuse(fmt::format("'{}' is no text", name), value.dump(), {});
        return value.get<std::string>();
    }
    std::string text(std::string const& name) const { return text(json_, name); }
    /// The item's own right answer; empty where it has none.
    std::string label(std::string const& name) const {
        auto const found = json_.find(name);
        if (found == json_.end()) return {};
        return found->is_string() ? found->get<std::string>() : found->dump();
    }

  private:
    TextPlace place_;
    Json json_;
};

/// Choices and their labels.
struct Choices {
    std::vector<TaskChoice> all;
    std::vector<std::string> labels;
    std::string own_label;

    void add(Line const& line, std::string context, std::string const& continuation, std::string label) {
        if (continuation.empty()) line.refuse("a choice is empty", label, {});
        if (std::ranges::find(labels, label) != labels.end()) line.refuse("two choices have one label", label, {});
        all.push_back({std::move(context), " " + continuation, continuation.size()});
        labels.push_back(std::move(label));
    }
};

std::string question(std::string const& text) { return "Question: " + text + "\nAnswer:"; }

Choices piqa(Line const& line) {
    Choices choices;
    auto const asked = question(line.text("goal"));
    choices.add(line, asked, line.text("sol1"), "0");
    choices.add(line, asked, line.text("sol2"), "1");
    choices.own_label = line.label("label");
    return choices;
}

Choices arc(Line const& line) {
    Choices choices;
    choices.own_label = line.label("answerKey");
    auto const& asked = line.member(line.json(), "question");
    if (asked.is_string()) {
        auto const& options = line.member(line.json(), "choices");
        auto const& texts = line.member(options, "text");
        auto const& labels = line.member(options, "label");
        if (!texts.is_array() || !labels.is_array() || texts.size() != labels.size())
            line.refuse("choices and their labels are not as many", options.dump(), {});
        for (std::size_t i = 0; i < texts.size(); ++i) {
            Json const option{{"text", texts[i]}, {"label", labels[i]}};
            choices.add(line, question(asked.get<std::string>()), line.text(option, "text"),
                        line.text(option, "label"));
        }
    } else {
        auto const& options = line.member(asked, "choices");
        if (!options.is_array()) line.refuse("'choices' is no list", options.dump(), {});
        for (auto const& option : options)
            choices.add(line, question(line.text(asked, "stem")), line.text(option, "text"),
                        line.text(option, "label"));
    }
    return choices;
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
}

/// Without the marks that WikiHow's part of HellaSwag has.
std::string without_marks(std::string text) {
    auto const blank = " \t\n\r";
    text.erase(0, std::min(text.find_first_not_of(blank), text.size()));
    text.erase(text.find_last_not_of(blank) + 1);
    replace_all(text, " [title]", ". ");
    for (auto open = text.find('['); open != std::string::npos; open = text.find('[', open)) {
        auto const close = text.find(']', open);
        if (close == std::string::npos) break;
        text.erase(open, close + 1 - open);
    }
    replace_all(text, "  ", " ");
    return text;
}

std::string capitalised(std::string text) {
    auto const change = [](char& c, char from, char to, int by) {
        if (c >= from && c <= to) c = static_cast<char>(c + by);
    };
    for (auto& c : text) change(c, 'A', 'Z', 'a' - 'A');
    if (!text.empty()) change(text[0], 'a', 'z', 'A' - 'a');
    return text;
}

Choices hellaswag(Line const& line) {
    Choices choices;
    choices.own_label = line.label("label");
    auto const told = line.json().contains("ctx_a") || !line.json().contains("ctx")
                          ? line.text("ctx_a") + " " + capitalised(line.text("ctx_b"))
                          : line.text("ctx");
    auto const context = without_marks(line.text("activity_label") + ": " + told);
    auto const& endings = line.member(line.json(), "endings");
    if (!endings.is_array() || endings.size() != 4)
        line.refuse("'endings' are no list of four", endings.dump(), {"4 endings"});
    for (std::size_t i = 0; i < endings.size(); ++i) {
        if (!endings[i].is_string()) line.refuse("an ending is no text", endings[i].dump(), {});
        choices.add(line, context, without_marks(endings[i].get<std::string>()), std::to_string(i));
    }
    return choices;
}

Choices winogrande(Line const& line) {
    Choices choices;
    choices.own_label = line.label("answer");
    auto const sentence = line.text("sentence");
    auto const gap = sentence.find('_');
    if (gap == std::string::npos) line.refuse("the sentence has no gap", sentence, {"a sentence with '_'"});
    auto rest = sentence.substr(gap + 1);
    rest.erase(0, std::min(rest.find_first_not_of(' '), rest.size()));
    rest.erase(rest.find_last_not_of(' ') + 1);
    for (auto const* label : {"1", "2"})
        choices.add(line, sentence.substr(0, gap) + line.text(std::string("option") + label), rest, label);
    return choices;
}

std::map<std::string, Choices (*)(Line const&)> const& readers() {
    static std::map<std::string, Choices (*)(Line const&)> const all{
        {"arc", arc}, {"hellaswag", hellaswag}, {"piqa", piqa}, {"winogrande", winogrande}};
    return all;
}

/// The lines of a file but empty ones at its end.
std::vector<std::string> lines_of(std::string const& path) {
    auto const file = map_file(path);
    auto text = without_byte_order_mark({reinterpret_cast<char const*>(file.bytes.get()), file.size});
    if (is_utf16(text)) throw ConfigError("a text in UTF-16", {}, {"UTF-8"}, {path, 1, 1});
    std::vector<std::string> lines;
    while (!text.empty()) {
        auto const end = std::min(text.find('\n'), text.size());
        lines.emplace_back(text.substr(0, end));
        if (lines.back().ends_with('\r')) lines.back().pop_back();
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
    return lines;
}

TaskItem item_of(Line const& line, Choices choices, std::optional<std::string> const& label,
                 std::string const& labels_path) {
    if (choices.all.size() < 2) line.refuse("an item has fewer than two choices", {}, {});
    auto const wanted = label.value_or(choices.own_label);
    auto const found = std::ranges::find(choices.labels, wanted);
    if (found == choices.labels.end()) {
        auto place = line.place();
        if (label) place.file = labels_path;
        throw ConfigError(wanted.empty() ? "nothing says which choice is right" : "the right answer is no choice",
                          excerpt(wanted), choices.labels, place);
    }
    TaskItem item;
    item.chance = 1.0 / static_cast<double>(choices.all.size());
    item.gold = static_cast<std::size_t>(found - choices.labels.begin());
    item.choices = std::move(choices.all);
    item.origin = fmt::format("{}:{}", line.place().file, line.place().line);
    return item;
}

}  // namespace

std::vector<std::string> const& item_formats() {
    static std::vector<std::string> const all = [] {
        std::vector<std::string> names;
        for (auto const& [name, reader] : readers()) names.push_back(name);
        return names;
    }();
    return all;
}

std::vector<TaskItem> read_items(std::string const& format, std::string const& path, std::string const& labels) {
    auto const reader = readers().find(format);
    if (reader == readers().end()) throw ConfigError("unknown format of tasks", format, item_formats());
    auto const lines = lines_of(path);
    auto const answers = labels.empty() ? std::vector<std::string>() : lines_of(labels);
    if (lines.empty()) throw ConfigError("the file has no items", {}, {"one JSON object a line"}, {path, 0, 0});
    if (!labels.empty() && answers.size() != lines.size())
        throw ConfigError("labels are not as many as items", fmt::format("{} lines", answers.size()),
                          {fmt::format("{} lines, one for each of {}", lines.size(), path)}, {labels, 0, 0});
    std::vector<TaskItem> items;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        Line const line({path, static_cast<int>(i + 1), 0}, lines[i]);
        items.push_back(
            item_of(line, reader->second(line), labels.empty() ? std::nullopt : std::optional(answers[i]), labels));
    }
    return items;
}

}  // namespace kvstone
