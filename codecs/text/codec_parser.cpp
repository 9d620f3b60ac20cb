// Codec text to Codec: the grammar of codec.hpp, read by recursive descent. Blanks may stand between any two tokens.

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "codecs/codec.hpp"
#include "codecs/from_outside.hpp"
#include "codecs/registry.hpp"
#include "codecs/text/presets.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::size_t longest_text = 65536;
constexpr std::size_t most_rules = 1024;
constexpr std::size_t most_stages = 32;
constexpr std::uint32_t largest_index = 1U << 30;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == '+' || c == '/';
}

/// Names of our stages elsewhere: llama.cpp's -ctk f16 and f32, and types of numeric libraries.
constexpr std::array<std::pair<std::string_view, char const*>, 6> other_names{
    {{"f16", "fp16"}, {"float16", "fp16"}, {"f32", "raw"}, {"fp32", "raw"}, {"float32", "raw"}, {"bfloat16", "bf16"}}};

/// Sorted, joined where they touch or overlap.
IndexRanges join(IndexRanges ranges) {
    std::ranges::sort(ranges);
    IndexRanges joined;
    for (auto const& range : ranges) {
        if (!joined.empty() && range.first <= joined.back().second + 1) {
            joined.back().second = std::max(joined.back().second, range.second);
        } else {
            joined.push_back(range);
        }
    }
    return joined;
}

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    std::vector<Rule> parse() {
        skip_blanks();
        if (at_end()) throw ConfigError("empty codec text", "", {"a pipeline such as fp16, or rules such as k{fp16}"});
        std::vector<Rule> rules;
        if (text_.find('{') == std::string_view::npos) {
            rules.push_back({Selector{}, pipeline()});
            if (!at_end()) throw ConfigError("unexpected text after the pipeline", rest_of_text(), {"|"});
            return rules;
        }
        while (!at_end()) {
            if (rules.size() == most_rules) throw ConfigError(fmt::format("more than {} rules", most_rules));
            rules.push_back(rule());
        }
        return rules;
    }

    /// The stage in front of a whole codec that drops tokens, where the text has one; rest() is then the codec behind it.
    std::optional<StageText> selection() {
        skip_blanks();
        auto const first = at_;
        if (at_end() || !is_word(text_[at_])) return std::nullopt;
        auto const* const entry = find_selector(word("a stage"));
        if (entry == nullptr) {
            at_ = first;
            return std::nullopt;
        }
        auto const given = options();
        Options const values(entry->info.name, entry->info.options, given);
        std::vector<std::string> names;
        for (auto const& option : given) names.push_back(option.first);
        entry->check_selector(values, names);
        if (!take('|') || at_end())
            throw ConfigError("this stage drops tokens, and a codec of those that stay follows it",
                              at_end() ? entry->info.name : rest_of_text(), {shown_example(entry->info), "... | raw"});
        return StageText{entry->info.name, values.values()};
    }
    std::string_view rest() const { return text_.substr(at_); }

    /// The text of a preset, where the text is a preset and nothing else.
    std::optional<std::string> preset_text() {
        skip_blanks();
        auto const first = at_;
        while (!at_end() && is_word(text_[at_])) ++at_;
        auto const* const preset = find_preset(text_.substr(first, at_ - first));
        if (preset == nullptr || text_.find('{') != std::string_view::npos) return std::nullopt;
        skip_blanks();
        auto const given = options();
        if (!at_end()) return std::nullopt;
        return preset->codec_text(given);
    }

  private:
    bool at_end() const { return at_ == text_.size(); }
    void skip_blanks() {
        while (!at_end() && is_blank(text_[at_])) ++at_;
    }
    std::string rest_of_text() const { return std::string(text_.substr(at_, 40)); }

    bool take(char wanted) {
        if (at_end() || text_[at_] != wanted) return false;
        ++at_;
        skip_blanks();
        return true;
    }
    void expect(char wanted, char const* after) {
        if (!take(wanted)) {
            throw ConfigError(fmt::format("expected '{}' after {}", wanted, after),
                              at_end() ? "end of text" : rest_of_text());
        }
    }
    std::string word(char const* what) {
        auto const first = at_;
        while (!at_end() && is_word(text_[at_])) ++at_;
        auto const found = text_.substr(first, at_ - first);
        if (found.empty()) {
            throw ConfigError(fmt::format("expected {}", what), at_end() ? "end of text" : rest_of_text());
        }
        if (found.size() > 256)
            throw ConfigError(fmt::format("{} is too long", what), std::string(found.substr(0, 40)));
        skip_blanks();
        return std::string(found);
    }

    Rule rule() {
        auto where = selector();
        expect('{', "a selector");
        auto stages = pipeline();
        expect('}', "the rule's pipeline");
        return {std::move(where), std::move(stages)};
    }

    Selector selector() {
        Selector selected;
        bool rest = false;
        std::size_t parts = 0;
        do {
            one_selector(selected, rest);
            ++parts;
        } while (take(','));
        if (rest && parts > 1)
            throw ConfigError("rest stands alone: it takes the values that no rule before it took", "rest");
        return selected;
    }

    void one_selector(Selector& selected, bool& rest) {
        auto const name = word("a selector");
        auto const once = [&name](bool already) {
            if (already) throw ConfigError("selector given twice in one rule", name);
        };
        if (name == "k" || name == "v") {
            once(selected.component.has_value());
            selected.component = name == "k" ? Component::k : Component::v;
        } else if (name == "layers") {
            once(selected.layers.has_value());
            selected.layers = ranges();
        } else if (name == "first_layers") {
            once(selected.layers.has_value());
            selected.layers = IndexRanges{{0, layer_count() - 1}};
        } else if (name == "last_layers") {
            once(selected.last_layers.has_value());
            selected.last_layers = layer_count();
        } else if (name == "heads") {
            once(selected.heads.has_value());
            selected.heads = ranges();
        } else if (name == "sink") {
            once(selected.sink_tokens.has_value());
            selected.sink_tokens = count("tokens", 0);
        } else if (name == "window") {
            once(selected.window_tokens.has_value());
            selected.window_tokens = count("tokens", 0);
        } else if (name == "rest") {
            once(rest);
            rest = true;
        } else {
            throw ConfigError("unknown selector", name,
                              {"k", "v", "layers(0-1,5)", "first_layers(2)", "last_layers(2)", "heads(0)", "sink(4)",
                               "window(128)", "rest"});
        }
    }

    static std::uint32_t index(std::string const& text, std::uint32_t least = 0) {
        std::uint32_t value = 0;
        auto const* const end = text.data() + text.size();
        auto const result = std::from_chars(text.data(), end, value);
        if (result.ec != std::errc{} || result.ptr != end || value < least || value > largest_index) {
            throw ConfigError("expected a whole number", text, {fmt::format("{}..{}", least, largest_index)});
        }
        return value;
    }

    std::uint32_t count(std::string const& what, std::uint32_t least) {
        expect('(', "the selector's name");
        auto const found = index(word(("a number of " + what).c_str()), least);
        expect(')', ("the number of " + what).c_str());
        return found;
    }
    std::uint32_t layer_count() { return count("layers", 1); }

    IndexRanges ranges() {
        IndexRanges found;
        expect('(', "the selector's name");
        do {
            auto const text = word("a range of indices such as 0-1");
            auto const dash = text.find('-');
            auto const first = index(text.substr(0, dash));
            auto const last = dash == std::string::npos ? first : index(text.substr(dash + 1));
            if (last < first) throw ConfigError("range ends before it starts", text);
            found.emplace_back(first, last);
        } while (take(','));
        expect(')', "the ranges");
        return join(std::move(found));
    }

    PipelineText pipeline() {
        PipelineText stages;
        auto reached = StageKind::transform;
        bool quantised = false;
        do {
            if (stages.size() == most_stages) throw ConfigError(fmt::format("more than {} stages", most_stages));
            auto const name = word("a stage");
            if (find_preset(name) != nullptr)
                throw ConfigError("a preset is a whole codec and stands alone", name, names_of(StageKind::quantiser));
            auto const& entry = stage_of(name, stages.empty());
            if (entry.kind == StageKind::selector)
                throw ConfigError(
                    "a stage that drops tokens stands once, in front of the whole codec: K and V lose the "
                    "same ones",
                    name, {shown_example(entry.info)});
            if (entry.kind == StageKind::quantiser) {
                if (quantised) throw ConfigError("a pipeline has exactly one quantiser; this is the second", name);
                quantised = true;
            } else if (entry.kind == StageKind::transform && quantised) {
                throw ConfigError("transforms stand before the quantiser", name);
            } else if (entry.kind == StageKind::entropy && !quantised) {
                throw ConfigError("entropy stages stand after a quantiser", name, names_of(StageKind::quantiser));
            }
            reached = entry.kind;
            stages.push_back(stage(entry));
        } while (take('|'));
        if (!quantised) {
            throw ConfigError(fmt::format("the pipeline ends with a {} and has no quantiser", name_of(reached)),
                              stages.back().name, names_of(StageKind::quantiser));
        }
        return stages;
    }

    /// `first`: of a pipeline; alone in its text it may have been meant as a preset.
    StageEntry const& stage_of(std::string const& name, bool first) const {
        for (auto const& [other, ours] : other_names) {
            if (name == other && !stage_registry().contains(name))
                throw ConfigError(fmt::format("unknown stage; here it is called {}", ours), name, {ours});
        }
        try {
            return stage_named(name);
        } catch (ConfigError const& error) {
            if (!first || !at_end() || text_.find('{') != std::string_view::npos) throw;
            auto accepted = error.accepted();
            for (auto const& preset : presets()) accepted.emplace_back(preset.name);
            throw ConfigError("unknown stage or preset", error.offending(), accepted);
        }
    }

    /// Those behind a colon, where there is one.
    std::vector<std::pair<std::string, std::string>> options() {
        std::vector<std::pair<std::string, std::string>> given;
        if (!take(':')) return given;
        do {
            auto key = word("an option's name");
            expect('=', "the option's name");
            given.emplace_back(std::move(key), word("the option's value"));
        } while (take(','));
        return given;
    }

    StageText stage(StageEntry const& entry) {
        Options options(entry.info.name, entry.info.options, this->options());
        if (entry.complete != nullptr) {
            auto values = options.values();
            entry.complete(values);
            options = Options(entry.info.name, entry.info.options, {values.begin(), values.end()});
        }
        // Made and dropped: the stage itself says whether its options go together.
        if (entry.make_transform != nullptr) entry.make_transform(options);
        if (entry.make_quantiser != nullptr) entry.make_quantiser(options);
        if (entry.make_entropy != nullptr) entry.make_entropy(options);
        return shortest({entry.info.name, options.values()});
    }

    /// The same stage under the name of a shorthand that has all that differs from its fixed options.
    static StageText shortest(StageText stage) {
        for (auto const& [name, entry] : stage_registry()) {
            auto const& shorthand = entry.info.shorthand;
            if (!shorthand || shorthand->stage != stage.name) continue;
            bool const fits = std::ranges::all_of(
                shorthand->fixed, [&](auto const& option) { return stage.options.at(option.first) == option.second; });
            if (!fits) continue;
            stage.name = name;
            for (auto const& [option, value] : shorthand->fixed) stage.options.erase(option);
            return stage;
        }
        return stage;
    }

    /// Null where no stage of this name drops tokens.
    static StageEntry const* find_selector(std::string const& name) {
        for (auto const& [known, entry] : stage_registry())
            if (entry.kind == StageKind::selector && (name == known || name == versioned_name(entry.info)))
                return &entry;
        return nullptr;
    }

    static std::vector<std::string> names_of(StageKind kind) {
        std::vector<std::string> names;
        for (auto const& [name, entry] : stage_registry()) {
            if (entry.kind == kind) names.push_back(name);
        }
        return names;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

/// Every value of K and V falls to a rule, and every rule can take some.
void check_coverage(std::vector<Rule> const& rules) {
    bool covered[2] = {false, false};
    for (std::size_t number = 1; auto const& rule : rules) {
        auto const& where = rule.selector;
        bool const takes[2] = {where.component != Component::v, where.component != Component::k};
        if ((!takes[0] || covered[0]) && (!takes[1] || covered[1])) {
            throw ConfigError("a rule is never reached: the rules before it take everything",
                              fmt::format("rule {}", number));
        }
        bool const partial =
            where.layers || where.last_layers || where.heads || where.sink_tokens || where.window_tokens;
        for (int component = 0; component < 2; ++component) covered[component] |= takes[component] && !partial;
        ++number;
    }
    for (int component = 0; component < 2; ++component) {
        if (!covered[component]) {
            auto const name = std::string(name_of(static_cast<Component>(component)));
            throw ConfigError(fmt::format("no rule takes the rest of {}", name), name, {"rest{...}", name + "{...}"});
        }
    }
}

/// An engine's own cache is all of a codec.
void check_alone(std::optional<StageText> const& selection, std::vector<Rule> const& rules) {
    for (auto const& rule : rules) {
        for (auto const& stage : rule.pipeline) {
            if (stage.name != engine_cache_stage) continue;
            if (selection || rules.size() > 1 || rule.pipeline.size() > 1 || rule.selector != Selector{})
                throw ConfigError("this stage is a whole codec: no rule and no other stage stands beside it",
                                  stage.name, {shown_example(stage_registry().at(stage.name).info)});
        }
    }
}

}  // namespace

Codec Codec::parse(std::string_view text) {
    Codec codec;
    if (text.size() > longest_text)
        throw ConfigError(fmt::format("codec text longer than {} characters", longest_text));
    Parser front(text);
    codec.selection_ = front.selection();
    auto const rest = front.rest();
    auto const preset = Parser(rest).preset_text();
    codec.rules_ = Parser(preset ? *preset : rest).parse();
    check_coverage(codec.rules_);
    check_alone(codec.selection_, codec.rules_);
    return codec;
}

}  // namespace kvstone
