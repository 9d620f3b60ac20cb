#pragma once
// A codec is a value: rules that pick a pipeline of stages for each part of K and V. Its canonical text is its identity.

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstone {

enum class Component : std::uint8_t { k, v };
std::string_view name_of(Component component);

/// One stage as text has it: a registered name and its options, defaults filled in, values in canonical spelling.
struct StageText {
    std::string name;
    std::map<std::string, std::string> options;
    bool operator==(StageText const&) const = default;
};

/// transforms... quantiser entropy-stages..., in the order in which they encode.
using PipelineText = std::vector<StageText>;

/// Closed ranges of indices, sorted and joined: "0-1,5".
using IndexRanges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

/// Which part of the tensors a rule takes: all members that are present must hold. An empty selector is `rest`.
struct Selector {
    std::optional<Component> component;
    std::optional<IndexRanges> layers;
    std::optional<std::uint32_t> last_layers;  ///< the last n layers, however many there are
    std::optional<IndexRanges> heads;
    std::optional<std::uint32_t> sink_tokens;    ///< the first n tokens
    std::optional<std::uint32_t> window_tokens;  ///< the last n tokens, and tokens before them that fill no page
    bool operator==(Selector const&) const = default;
};

struct Rule {
    Selector selector;
    PipelineText pipeline;
    bool operator==(Rule const&) const = default;
};

/// Grammar (the first matching rule wins; a bare pipeline is rest{pipeline}):
///   codec    = [ stage " | " ] ( preset [ options ] | pipeline | rule { " " rule } ) ;
///   rule     = selector { "," selector } "{" pipeline "}" ;
///   selector = "k" | "v" | "layers(" ranges ")" | "first_layers(" n ")" | "last_layers(" n ")" | "heads(" ranges ")"
///            | "sink(" n ")" | "window(" n ")" | "rest" ;
///   pipeline = stage { " | " stage } ;
///   stage    = name [ options ] ;
///   options  = ":" key "=" value { "," key "=" value } ;
/// first_layers(n) is another spelling of layers(0-(n-1)); last_layers(n) counts from the last layer of the tensor at
/// hand. Both take all layers of a tensor that has fewer. window(n) takes the last n tokens, and the tokens before them
/// that do not fill a page of the rule that codes older tokens (`int:axis=channel,group=32`: up to 31 more). A preset
/// (presets.hpp) is another spelling of its text. Parsing fails where no rule takes a part: a codec covers every value
/// of K and V. The stage in front of a whole codec is one that drops tokens (`keep`): K and V lose the same ones, so it
/// belongs to no rule. Rules then see the tokens that stay as if there were no others.
class Codec {
  public:
    /// Throws ConfigError with the offending text and the accepted spellings.
    static Codec parse(std::string_view text);

    /// Canonical text: options in their declared order, those at their default left out (options that name the method
    /// have none and are always printed), single spaces; `rest{P}` alone prints as P. parse(text()) == *this.
    std::string text() const;

    /// The rules for one layer of `layers`, written for a tensor that has this layer alone: rules for other layers are
    /// left out. Throws NotApplicable where a stage merges layers, and where the codec drops tokens.
    Codec of_layer(std::uint64_t layer, std::uint64_t layers) const;
    /// The same rules without their entropy stages: the values that those stages code are stored as they are.
    Codec without_entropy_stages() const;
    /// The same rules without the stage that drops tokens: the codec of those that stay.
    Codec without_selection() const;

    /// The stage that decides which tokens stay (selection/selection.hpp); nothing where all do.
    std::optional<StageText> const& selection() const { return selection_; }
    std::vector<Rule> const& rules() const { return rules_; }
    bool operator==(Codec const&) const = default;

  private:
    std::optional<StageText> selection_;
    std::vector<Rule> rules_;
};

/// Properties of a codec that a serving engine has to know: each is true where it is true of one of the codec's stages
/// under the stage's options.
struct CodecNeeds {
    bool needs_positions = false;  ///< decoding asks for the position of a token in its text
    bool mixes_heads = false;      ///< a head is not decoded without other heads of its layer
    bool mixes_layers = false;     ///< a layer is not decoded without other layers
    bool fixed_rate = true;        ///< the number of bytes is known before the values are
    bool calibrated = false;       ///< the codec needs a file of `kvstone calibrate`
};
CodecNeeds needs_of(Codec const& codec);
/// "needs positions, mixes heads, variable rate"; empty where none of these is true.
std::string text_of(CodecNeeds const& needs);

/// Names and one-line descriptions of a registered stage, for `list`, docs and suggestions.
struct StageSummary {
    std::string name;
    std::string kind;  ///< "selector", "transform", "quantiser" or "entropy"
    std::string summary;
    std::string source;
    std::string access;   ///< "token", "page" or "whole"
    std::string options;  ///< "scheme=symmetric|asymmetric (symmetric), clip=..."
    std::string example;  ///< a codec text that uses it
    std::string needs;  ///< as text_of(CodecNeeds); needs of some options alone carry them: "mixes heads (over=heads)"
};
std::vector<StageSummary> registered_stages();

}  // namespace kvstone
