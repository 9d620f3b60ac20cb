// What a scenario must not say. In each text an @ stands right before the place that the error must name.

#include <gtest/gtest.h>

#include "scenarios/scenario.hpp"
#include "tests/scenarios/fake_vocabulary.hpp"
#include "tests/scenarios/scratch_folder.hpp"

namespace kvstone {
namespace {

struct Marked {
    std::string text;
    int line = 0;
    int column = 0;
};

Marked marked(std::string text) {
    auto const at = text.find('@');
    if (at == std::string::npos) throw std::logic_error("no place marked in " + text);
    text.erase(at, 1);
    auto const line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
    auto const newline = text.rfind('\n', at == 0 ? 0 : at - 1);
    auto const column = line == 1 ? at + 1 : at - newline;
    return {text, static_cast<int>(line), static_cast<int>(column)};
}

/// A valid scenario but for the value that stands for one of its slots.
std::string scenario_with(std::string const& slot, std::string const& value) {
    std::string text;
    std::pair<char const*, char const*> const slots[] = {{"kvstone: ", "1"},
                                                         {"name: ", "test"},
                                                         {"sources: ", "[synthetic: {shape: gpt2}]"},
                                                         {"grid: ", ""},
                                                         {"  context: ", "[512, 1k]"},
                                                         {"  codec: ", "[raw, {name: eight, codec: int8}]"},
                                                         {"  backend: ", "[openmp]"},
                                                         {"  batch: ", "[1]"},
                                                         {"workloads: ", "[roundtrip]"},
                                                         {"measure: ", "{}"},
                                                         {"", ""}};
    for (auto const& [key, by_default] : slots) {
        bool const chosen = slot + ": " == std::string(key) || "  " + slot + ": " == key || (slot.empty() && !*key);
        text += key + (chosen ? value : std::string(by_default)) + "\n";
    }
    return text;
}

/// What the error says after "test.yaml:LINE:COLUMN: ", having checked that it stands at the marked place.
std::string refusal(std::string const& with_mark, std::string const& folder = "/nonexistent") {
    auto const yaml = marked(with_mark);
    try {
        parse_plan(yaml.text, "test.yaml", folder, fake_vocabulary());
    } catch (ConfigError const& error) {
        EXPECT_EQ(error.place().file, "test.yaml") << yaml.text;
        EXPECT_EQ(error.place().line, yaml.line) << yaml.text << error.what();
        EXPECT_EQ(error.place().column, yaml.column) << yaml.text << error.what();
        std::string const what = error.what();
        auto const prefix = "test.yaml:" + std::to_string(yaml.line) + ":" + std::to_string(yaml.column) + ": ";
        return what.starts_with(prefix) ? what.substr(prefix.size()) : what;
    }
    return "accepted";
}

struct Case {
    char const* slot;
    char const* value;
    char const* says;
};

void PrintTo(Case const& refused, std::ostream* out) { *out << refused.slot << ": " << refused.value; }

class Refused : public testing::TestWithParam<Case> {};

TEST_P(Refused, WithPlaceTextAndAlternatives) {
    auto const& [slot, value, says] = GetParam();
    EXPECT_EQ(refusal(scenario_with(slot, value)), says) << slot << ": " << value;
}

INSTANTIATE_TEST_SUITE_P(
    Top, Refused,
    testing::Values(
        Case{"kvstone", "@2", "kvstone: unknown version of scenarios: '2'; accepted: 1"},
        Case{"kvstone", "@'1'", "kvstone: unknown version of scenarios: '1'; accepted: 1"},
        Case{"kvstone", "@1.0", "kvstone: unknown version of scenarios: '1.0'; accepted: 1 (did you mean '1'?)"},
        Case{"kvstone", "@[1]", "kvstone: unknown version of scenarios: 'a list'; accepted: 1"},
        Case{"kvstone", "@~", "kvstone: unknown version of scenarios: 'nothing'; accepted: 1"},
        Case{"name", "@[a]", "name: expected a text: 'a list'"}, Case{"name", "@''", "name: expected a text"},
        Case{"name", "@\"a\\tb\"", "name: expected one line without control characters: 'a?b'"},
        Case{"", "@colour: red",
             "unknown key: 'colour'; accepted: kvstone, name, sources, grid, workloads, measure, exclude, require, "
             "published, targets"},
        Case{"", "@exlude: []",
             "unknown key: 'exlude'; accepted: kvstone, name, sources, grid, workloads, measure, exclude, require, "
             "published, targets (did you mean 'exclude'?)"},
        Case{"", "@name: twice", "key given twice (first in line 2): 'name'"},
        Case{"", "@[a, b]: x", "a key must be one word"}, Case{"", "@~: x", "a key must be one word"},
        Case{"workloads", "@roundtrip", "workloads: expected a list: 'roundtrip'"},
        Case{"workloads", "@[]", "workloads: expected at least one item: 'a list'"},
        Case{"workloads", "[@roundtripp]",
             "workloads.0: unknown workload: 'roundtripp'; accepted: roundtrip, attention (did you mean 'roundtrip'?)"},
        Case{"workloads", "[roundtrip, @[attention]]",
             "workloads.1: expected a workload: 'a list'; accepted: roundtrip, attention"},
        Case{"measure", "@5",
             "measure: expected a map: '5'; accepted: min_time, repetitions, processes, threads, "
             "timeout, memory, timing"},
        Case{"measure", "{@repetition: 5}",
             "measure: unknown key: 'repetition'; accepted: min_time, repetitions, processes, threads, timeout, "
             "memory, timing (did you mean 'repetitions'?)"},
        Case{"measure", "{timing: @never}", "measure.timing: unknown switch: 'never'; accepted: on, off, true, false"},
        Case{"measure", "{timeout: @0 s}", "measure.timeout: expected a time above 0: '0 s'"}));

INSTANTIATE_TEST_SUITE_P(
    Sources, Refused,
    testing::Values(
        Case{"sources", "@{}", "sources: expected a list: 'a map'"},
        Case{"sources", "@[]", "sources: expected at least one item: 'a list'"},
        Case{"sources", "[@synthetic]",
             "sources.0: expected a map: 'synthetic'; accepted: name, model, dump, synthetic"},
        Case{
            "sources", "[{@synthetics: {}}]",
            "sources.0: unknown key: 'synthetics'; accepted: name, model, dump, synthetic (did you mean 'synthetic'?)"},
        Case{"sources", "[@{name: x}]",
             "sources.0: expected exactly one kind of source: 'a map'; accepted: model, dump, synthetic"},
        Case{"sources", "[@{model: {gguf: x}, dump: {path: y}}]",
             "sources.0: expected exactly one kind of source: 'a map'; accepted: model, dump, synthetic"},
        Case{"sources", "[{name: a, synthetic: {shape: gpt2}}, {name: @a, synthetic: {shape: gpt2, seed: 1}}]",
             "sources.1.name: a name of two sources: 'a'"},
        Case{"sources", "[synthetic: {shape: @gpt3}]",
             "sources.0.synthetic.shape: unknown shape: 'gpt3'; accepted: llama-3.1-8b, gpt2 (did you mean 'gpt2'?)"},
        Case{"sources", "[synthetic: @{layers: 1, kv_heads: 1}]", "sources.0.synthetic: missing key: 'head_dim'"},
        Case{"sources", "[synthetic: @{}]", "sources.0.synthetic: missing key: 'layers'"},
        Case{"sources", "[synthetic: @gpt2]",
             "sources.0.synthetic: expected a map: 'gpt2'; accepted: shape, layers, heads, kv_heads, head_dim, "
             "rope_base, distribution, seed"},
        Case{"sources", "[synthetic: {shape: gpt2, @dims: 3}]",
             "sources.0.synthetic: unknown key: 'dims'; accepted: shape, layers, heads, kv_heads, head_dim, rope_base, "
             "distribution, seed"},
        Case{"sources", "[synthetic: {shape: gpt2, heads: @13}]",
             "sources.0.synthetic.heads: 13 query heads are no multiple of 12 KV heads: '13'"},
        Case{"sources", "[synthetic: @{shape: gpt2, kv_heads: 5}]",
             "sources.0.synthetic: 12 query heads are no multiple of 5 KV heads: 'a map'"},
        Case{"sources", "[synthetic: {shape: gpt2, distribution: @uniform}]",
             "sources.0.synthetic.distribution: unknown distribution: 'uniform'; accepted: llama, normal"},
        Case{"sources", "[synthetic: {shape: gpt2, rope_base: @-1}]",
             "sources.0.synthetic.rope_base: expected a number from 0 (no RoPE): '-1'"},
        Case{"sources", "[model: @{text: builtin}]", "sources.0.model: missing key: 'gguf'"},
        Case{"sources", "[model: {gguf: @tiny}]", "sources.0.model.gguf: this build has no built-in 'tiny': 'tiny'"},
        Case{"sources", "[model: {gguf: x, text: @builtin}]",
             "sources.0.model.text: this build has no built-in 'builtin': 'builtin'"},
        Case{"sources", "[model: @{gguf: x, path: y}]", "sources.0.model: gguf and path name the same thing: 'a map'"},
        Case{"sources", "[model: {gguf: @x.gguf, text: y}]",
             "sources.0.model.gguf: cannot be read: No such file or directory: '/nonexistent/x.gguf'"},
        Case{"sources", "[model: {@prompt: x}]",
             "sources.0.model: unknown key: 'prompt'; accepted: gguf, path, text, sha256, gpu_layers"},
        Case{"sources", "[dump: @{k: x}]", "sources.0.dump: missing key: 'path'"},
        Case{"sources", "[dump: {path: @x.npz}]",
             "sources.0.dump.path: cannot be read: No such file or directory: '/nonexistent/x.npz'"},
        Case{"sources", "[dump: {path: [@x.npy]}]",
             "sources.0.dump.path.0: cannot be read: No such file or directory: '/nonexistent/x.npy'"},
        Case{"sources", "[dump: {path: @'*.npz'}]", "sources.0.dump.path: no file matches: '*.npz'"},
        Case{"sources", "[dump: {path: @[]}]", "sources.0.dump.path: expected at least one item: 'a list'"},
        Case{"sources", "[dump: {path: @x.bin}]", "sources.0.dump.path: no such file: 'x.bin'"},
        Case{"sources", "[dump: {path: @x.yaml}]", "sources.0.dump.path: no such file: 'x.yaml'"},
        Case{"sources", "[dump: {path: x.npz, layout: @token}]",
             "sources.0.dump.layout: a layout without token or dim: 'token'; accepted: layer, head, token, dim"},
        Case{"sources", "[dump: {path: x.npz, layout: @token dim dim}]",
             "sources.0.dump.layout: an axis twice in a layout: 'token dim dim'; accepted: layer, head, token, dim"},
        Case{"sources", "[dump: {path: x.npz, layout: @tokens dim}]",
             "sources.0.dump.layout: unknown axis in a layout: 'tokens dim'; accepted: layer, head, token, dim"},
        Case{"sources", "[dump: {path: x.npz, dtype: @f64}]",
             "sources.0.dump.dtype: unknown dtype: 'f64'; accepted: f32, f16, bf16, i8 (did you mean 'f32'?)"},
        Case{"sources", "[dump: {path: x.npz, k: @[a]}]", "sources.0.dump.k: expected a text: 'a list'"}));

INSTANTIATE_TEST_SUITE_P(
    Grid, Refused,
    testing::Values(
        Case{"grid", "5\n  context@: x", "broken YAML: illegal map value"},
        Case{"codec", "@raw", "grid.codec: expected a list: 'raw'"},
        Case{"codec", "@[]", "grid.codec: expected at least one item: 'a list'"},
        Case{"codec", "[raw, @int88]",
             "grid.codec.1: unknown stage: 'int88'; accepted: raw, fp16, bf16, int8, int, gear, delta, zstd (did you "
             "mean 'int8'?)"},
        Case{"codec", "[@int8:shceme=x]",
             "grid.codec.0: unknown option of int8: 'shceme'; accepted: scheme, clip, bits, axis, group, level (did "
             "you mean 'scheme'?)"},
        Case{"codec", "[{name: a, codec: @fp17}]",
             "grid.codec.0.codec: unknown stage: 'fp17'; accepted: raw, fp16, bf16, int8, int, gear, delta, zstd (did "
             "you mean 'fp16'?)"},
        Case{"codec", "[@{name: a}]",
             "grid.codec.0: expected either a codec text or its parts: 'a map'; accepted: name, codec, sources, "
             "layers, heads, "
             "sink, window, k, v, rest"},
        Case{"codec", "[@{codec: raw, k: raw}]",
             "grid.codec.0: expected either a codec text or its parts: 'a map'; accepted: name, codec, sources, "
             "layers, heads, "
             "sink, window, k, v, rest"},
        Case{"codec", "[{@windows: 3, rest: raw}]",
             "grid.codec.0: unknown key: 'windows'; accepted: name, codec, sources, layers, heads, sink, window, k, v, "
             "rest (did you mean 'window'?)"},
        Case{"codec", "[{k: raw, v: @fp17}]",
             "grid.codec.0.v: unknown stage: 'fp17'; accepted: raw, fp16, bf16, int8, int, gear, delta, zstd (did you "
             "mean 'fp16'?)"},
        Case{"codec", "[{k: @'raw} v{raw', v: raw}]", "grid.codec.0.k: expected a pipeline, not rules: 'raw} v{raw'"},
        Case{"codec", "[{layers: @raw, rest: raw}]",
             "grid.codec.0.layers: expected a map from ranges to pipelines: 'raw'; accepted: {\"0-1\": fp16}"},
        Case{"codec", "[{layers: {@first: raw}, rest: raw}]",
             "grid.codec.0.layers: expected ranges: 'first'; accepted: 0, 0-1, 0-1,5"},
        Case{"codec", "[{name: a, codec: raw}, @{name: a, codec: fp16}]", "grid.codec.1: a name of two codecs: 'a'"},
        Case{"codec", "[{name: a, codec: int8}, @{name: int8, codec: fp16}]",
             "grid.codec.1: a name of two codecs: 'int8'"},
        Case{"codec", "[{name: a, codec: raw, sources: {@gpt3: fp16}}]",
             "grid.codec.0.sources: no such source in this scenario: 'gpt3'; accepted: gpt2 (did you mean 'gpt2'?)"},
        Case{
            "codec", "[{name: a, codec: raw, sources: {gpt2: @fp17}}]",
            "grid.codec.0.sources.gpt2: unknown stage: 'fp17'; accepted: raw, fp16, bf16, int8, int, gear, delta, zstd "
            "(did you mean 'fp16'?)"},
        Case{"codec", "[{name: a, codec: raw, sources: @{}}]",
             "grid.codec.0.sources: expected a map from sources to codecs: 'a map'; accepted: {tiny: fp16}"},
        Case{"codec", "[{name: a, codec: raw, sources: @[gpt2]}]",
             "grid.codec.0.sources: expected a map from sources to codecs: 'a list'; accepted: {tiny: fp16}"},
        Case{"codec", "[@{codec: raw, sources: {gpt2: fp16}}]",
             "grid.codec.0: a codec that differs by source needs a name: 'a map'; accepted: name: TEXT"},
        Case{"codec", "[@~]", "grid.codec.0: expected a text: 'nothing'"},
        Case{"codec", "[@[raw]]", "grid.codec.0: expected a text: 'a list'"},
        Case{"context", "@512", "grid.context: expected a list: '512'"},
        Case{"backend", "[@hip]", "grid.backend.0: unknown backend: 'hip'; accepted: openmp, cuda, arm"},
        Case{"backend", "@[]", "grid.backend: expected at least one item: 'a list'"},
        Case{"batch", "[1]\n  @size: 16",
             "grid: unknown key: 'size'; accepted: context, codec, backend, batch, page, threads"},
        Case{"measure", "{threads: @-2}", "measure.threads: expected a whole number from 0 to 65536: '-2'"}));

INSTANTIATE_TEST_SUITE_P(
    Matches, Refused,
    testing::Values(
        Case{"", "exclude: @{codec: raw}", "exclude: expected a list: 'a map'"},
        Case{"", "exclude: @[]", "exclude: expected at least one item: 'a list'"},
        Case{"", "exclude: [@{}]",
             "exclude.0: expected at least one key: 'a map'; accepted: source, context, codec, backend, batch, "
             "page, threads, workload, protocol"},
        Case{"", "exclude: [{@codecs: raw}]",
             "exclude.0: unknown key: 'codecs'; accepted: source, context, codec, backend, batch, page, threads, "
             "workload, protocol (did you mean 'codec'?)"},
        Case{"", "exclude: [{codec: @eigth}]",
             "exclude.0.codec: no such codec in this scenario: 'eigth'; accepted: raw, eight (did you mean 'eight'?)"},
        Case{"", "exclude: [{codec: [raw, @fp16]}]",
             "exclude.0.codec.1: no such codec in this scenario: 'fp16'; accepted: raw, eight"},
        Case{"", "exclude: [{context: @513}]",
             "exclude.0.context: no such context in this scenario: '513'; accepted: 512, 1024 (did you mean '512'?)"},
        Case{"", "exclude: [{context: @x}]",
             "exclude.0.context: expected a number of tokens up to 1000000000: 'x'; accepted: 512, 32k, 1M, all"},
        Case{"", "exclude: [{source: @gpt}]",
             "exclude.0.source: no such source in this scenario: 'gpt'; accepted: gpt2 (did you mean 'gpt2'?)"},
        Case{"", "exclude: [{backend: @cuda}]",
             "exclude.0.backend: no such backend in this scenario: 'cuda'; accepted: openmp"},
        Case{"", "exclude: [{threads: @3}]", "exclude.0.threads: no such threads in this scenario: '3'; accepted: all"},
        Case{"", "exclude: [{batch: @3}]", "exclude.0.batch: no such batch in this scenario: '3'; accepted: 1"},
        Case{"", "exclude: [{page: @64}]", "exclude.0.page: no such page in this scenario: '64'; accepted: 16"},
        Case{"", "exclude: [{workload: @attention}]",
             "exclude.0.workload: no such workload in this scenario: 'attention'; accepted: roundtrip"},
        Case{"", "exclude: @[{context: [512, 1024]}]", "exclude: leaves no cell: 'a list'"},
        Case{"", "exclude: [{codec: @{}}]", "exclude.0.codec: expected a text: 'a map'"},
        Case{"", "require: [{codec: @fp16}]",
             "require.0.codec: no such codec in this scenario: 'fp16'; accepted: raw, eight"},
        Case{"", "exclude: [{codec: raw}]\nrequire: [@{codec: raw}]", "require.0: no cell is like this: 'a map'"},
        Case{"", "published: [@{component: k, metric: mae, value: 1}]", "published.0: missing key: 'comparable'"},
        Case{"", "published: [{component: @q, metric: mae, value: 1, comparable: exact}]",
             "published.0.component: unknown component: 'q'; accepted: k, v, kv"},
        Case{"", "published: [{component: k, metric: @maee, value: 1, comparable: exact}]",
             "published.0.metric: unknown metric: 'maee'; accepted: mae, cosine, ratio_vs_fp16 (did you mean 'mae'?)"},
        Case{"", "published: [{component: k, metric: mae, value: 1, comparable: @perhaps}]",
             "published.0.comparable: unknown degree of comparability: 'perhaps'; accepted: exact, shape, no"},
        Case{"", "published: [{component: k, metric: mae, value: 1, comparable: exact, match: {context: @7}}]",
             "published.0.match.context: no such context in this scenario: '7'; accepted: 512, 1024"},
        Case{"", "published: [@{component: k, metric: mae, comparable: exact}]", "published.0: missing key: 'value'"},
        Case{"", "published: [@{component: k, metric: mae, value: 1, at_most: 2, comparable: exact}]",
             "published.0: expected one of them: 'a map'; accepted: value, at_least, at_most"},
        Case{"", "published: [{component: k, metric: mae, at_most: 2, within: @1, comparable: exact}]",
             "published.0.within: a bound has no tolerance: '1'"},
        Case{"", "published: [{component: k, metric: mae, value: 2, within: @-1%, comparable: exact}]",
             "published.0.within: expected a distance: '-1%'; accepted: 0.001, 2% (did you mean '2%'?)"},
        Case{"", "targets: [@{component: k, metric: mae}]",
             "targets.0: expected a bound: 'a map'; accepted: at_least, at_most"},
        Case{"", "targets: [@{component: k, at_most: 1}]", "targets.0: missing key: 'metric'"},
        Case{"", "targets: [{component: k, metric: @maee, at_most: 1}]",
             "targets.0.metric: unknown metric: 'maee'; accepted: mae, cosine, ratio_vs_fp16 (did you mean 'mae'?)"},
        Case{"", "targets: [{component: k, metric: mae, at_most: 1, at_least: @2}]",
             "targets.0.at_least: no value is at least this and at most the other: '2'"},
        Case{"", "targets: [{component: k, metric: mae, at_most: 1, match: {codec: @int4}}]",
             "targets.0.match.codec: no such codec in this scenario: 'int4'; accepted: raw, eight"}));

INSTANTIATE_TEST_SUITE_P(Yaml, Refused,
                         testing::Values(Case{"name", "@!secret x", "tags are not accepted: '!secret'"},
                                         Case{"name", "@!!str x", "tags are not accepted: 'tag:yaml.org,2002:str'"},
                                         Case{"", "x: @*nowhere",
                                              "broken YAML: the referenced anchor is not defined: nowhere"},
                                         Case{"", "x: &loop [@*loop]", "an alias inside its own anchor"},
                                         Case{"", "--- \n@more: 1", "more than one YAML document"}));

/// Every place that takes a number, against everything that is none.
TEST(Refusals, NumbersEverywhere) {
    std::string const tokens = "expected a number of tokens up to 1000000000: '";
    std::string const time = "expected a time of at most 1000 h: '";
    std::string const size = "expected a size of at least 1 B: '";
    auto const whole = [](char const* range) { return std::string("expected a whole number from ") + range + ": '"; };
    struct Place {
        char const* slot;
        char const* path;
        std::string before;
        std::string after;
        std::string says;
    };
    std::vector<Place> const places{
        {"context", "grid.context.1", "[512, ", "]", tokens},
        {"batch", "grid.batch.0", "[", "]", whole("1 to 1000000")},
        {"measure", "measure.min_time", "{min_time: ", "}", time},
        {"measure", "measure.timeout", "{timeout: ", "}", time},
        {"measure", "measure.memory", "{memory: ", "}", size},
        {"measure", "measure.repetitions", "{repetitions: ", "}", whole("1 to 1000000")},
        {"measure", "measure.processes", "{processes: ", "}", whole("1 to 10000")},
        {"measure", "measure.threads", "{threads: ", "}", whole("0 to 65536")},
        {"sources", "sources.0.synthetic.layers", "[synthetic: {shape: gpt2, layers: ", "}]", whole("1 to 65536")},
        {"sources", "sources.0.synthetic.heads", "[synthetic: {shape: gpt2, heads: ", "}]", whole("1 to 65536")},
        {"sources", "sources.0.synthetic.kv_heads", "[synthetic: {shape: gpt2, kv_heads: ", "}]", whole("1 to 65536")},
        {"sources", "sources.0.synthetic.head_dim", "[synthetic: {shape: gpt2, head_dim: ", "}]", whole("1 to 65536")},
        {"sources", "sources.0.synthetic.seed", "[synthetic: {shape: gpt2, seed: ", "}]",
         whole("0 to 9223372036854775807")},
        {"sources", "sources.0.synthetic.rope_base", "[synthetic: {shape: gpt2, rope_base: ", "}]",
         "expected a finite number: '"},
        {"codec", "grid.codec.0.window", "[{rest: raw, window: ", "}]", whole("1 to 1000000000")},
        {"codec", "grid.codec.0.sink", "[{rest: raw, sink: ", "}]", whole("1 to 1000000000")},
        {"", "targets.0.at_most", "targets: [{component: k, metric: mae, at_most: ", "}]",
         "expected a finite number: '"},
        {"", "published.0.value", "published: [{component: k, metric: mae, comparable: exact, value: ", "}]",
         "expected a finite number: '"}};
    std::vector<std::pair<std::string, std::string>> const values{
        {"five", "five"},         {"-1x", "-1x"},   {"0x10", "0x10"}, {"1e999", "1e999"}, {".nan", ".nan"},
        {"nan", "nan"},           {"inf", "inf"},   {"-inf", "-inf"}, {"1_000", "1_000"}, {"+1", "+1"},
        {"'five'", "five"},       {"''", ""},       {"~", "nothing"}, {"[1]", "a list"},  {"{a: 1}", "a map"},
        {"1 parsec", "1 parsec"}, {"true", "true"}, {"1 2", "1 2"},   {"\"1\\n\"", "1?"}};
    int refused = 0;
    for (auto const& place : places) {
        for (auto const& [value, shown] : values) {
            auto const said = refusal(scenario_with(place.slot, place.before + "@" + value + place.after));
            auto expected = place.path + std::string(": ") + place.says + shown + "'";
            if (shown.empty()) expected = expected.substr(0, expected.size() - 4);
            EXPECT_TRUE(said.starts_with(expected)) << said << "\nexpected " << expected;
            ++refused;
        }
    }
    EXPECT_EQ(refused, 18 * 19);
}

/// Numbers that are some, but too small, too large or no whole ones.
TEST(Refusals, NumbersOutOfRange) {
    std::vector<std::pair<std::string, std::string>> const cases{
        {"context", "[@0]"},
        {"context", "[@-5]"},
        {"context", "[@1.5]"},
        {"context", "[@1.5k]"},
        {"context", "[@1000000001]"},
        {"context", "[@99999999999999999999]"},
        {"context", "[@999999999999999999k]"},
        {"context", "[@0512]"},
        {"context", "[@1K]"},
        {"context", "[@k]"},
        {"context", "[@1000M]"},
        {"batch", "[@0]"},
        {"batch", "[@1.0]"},
        {"batch", "[@1000001]"},
        {"batch", "[@1k]"},
        {"batch", "[1]\n  page: [@0]"},
        {"batch", "[1]\n  page: [@65537]"},
        {"measure", "{repetitions: @0}"},
        {"measure", "{repetitions: @5.0}"},
        {"measure", "{repetitions: @1000001}"},
        {"measure", "{repetitions: @'5'}"},
        {"measure", "{processes: @0}"},
        {"measure", "{processes: @18446744073709551616}"},
        {"measure", "{min_time: @0.3}"},
        {"measure", "{min_time: @-0.3 s}"},
        {"measure", "{min_time: @-0 s}"},
        {"measure", "{min_time: @1001 h}"},
        {"measure", "{min_time: @1e308 h}"},
        {"measure", "{min_time: @inf s}"},
        {"measure", "{min_time: @nan s}"},
        {"measure", "{min_time: @s}"},
        {"measure", "{min_time: @1 S}"},
        {"measure", "{timeout: @600}"},
        {"measure", "{memory: @4}"},
        {"measure", "{memory: @0 GiB}"},
        {"measure", "{memory: @-1 GiB}"},
        {"measure", "{memory: @0.5 B}"},
        {"measure", "{memory: @4 gib}"},
        {"measure", "{memory: @1e300 TiB}"},
        {"sources", "[synthetic: {shape: gpt2, layers: @65537}]"},
        {"sources", "[synthetic: {shape: gpt2, seed: @9223372036854775808}]"},
        {"", "published: [{component: k, metric: mae, comparable: exact, value: @'1'}]"},
    };
    for (auto const& [slot, value] : cases) {
        auto const said = refusal(scenario_with(slot, value));
        EXPECT_NE(said.find(": expected a "), std::string::npos) << slot << ": " << value << "\n" << said;
    }
}

TEST(Refusals, WholeFiles) {
    EXPECT_EQ(refusal("@"), "nothing but space and comments");
    EXPECT_EQ(refusal("@\n# nothing but a comment\n"), "nothing but space and comments");
    EXPECT_EQ(refusal("@kvstone"), "expected a scenario: 'kvstone'; accepted: kvstone: 1");
    EXPECT_EQ(refusal("@- kvstone: 1"), "expected a scenario: 'a list'; accepted: kvstone: 1");
    EXPECT_EQ(refusal("@name: x"), "missing key: 'kvstone'; accepted: kvstone: 1");
    EXPECT_EQ(refusal("@kvstone: 1"), "missing key: 'grid'");
    EXPECT_EQ(refusal("@kvstone: 1\ngrid: {codec: [raw]}"), "missing key: 'workloads'");
    EXPECT_EQ(refusal("@kvstone: 1\ngrid: {codec: [raw]}\nworkloads: [roundtrip]"), "missing key: 'sources'");
    EXPECT_EQ(refusal("kvstone: 1\ngrid: @{context: [1]}"), "grid: missing key: 'codec'");
    EXPECT_EQ(refusal("kvstone: 1\ngrid: @[]"),
              "grid: expected a map: 'a list'; accepted: context, codec, backend, batch, page, threads");
    EXPECT_EQ(refusal("kvstone: 1\nsources: [synthetic: {shape: gpt2}]\ngrid: @{codec: [raw]}\nworkloads: [roundtrip]"),
              "grid: a synthetic source has no length of its own: context must say how many tokens: 'a map'");
    EXPECT_EQ(refusal("kvstone: 1\ngrid: {codec: [raw], threads: [1]}\nmeasure: {threads: @1}"),
              "measure.threads: threads stand in grid already: '1'; accepted: grid.threads, measure.threads");
    EXPECT_EQ(refusal("kvstone: 1\nname: \"@\x80\""), "not a text file in UTF-8: 'byte 0x80'");
    EXPECT_EQ(refusal(std::string("kvstone: 1\nna@\0me: x", 20)), "not a text file in UTF-8: 'byte 0x00'");
    EXPECT_EQ(refusal("@\xff\xfek\n"), "not a text file in UTF-8: 'byte 0xff'");
}

TEST(Refusals, BrokenYamlIsToldWithItsPlace) {
    for (auto const* text :
         {"kvstone: [1", "kvstone: {1", "kvstone: 'x", "kvstone: \"\\q\"", "a: b: c", "a: 1\n b: 2", "a:\n\t- 1",
          "- a\nb: 1", "a: 1\n]", "%YAML 9.9\n---\na", "a: &\n", "a: *\n", "@x", "`x"}) {
        try {
            parse_plan(text, "test.yaml", ".", fake_vocabulary());
            ADD_FAILURE() << text;
        } catch (ConfigError const& error) {
            EXPECT_GT(error.place().line, 0) << text << "\n" << error.what();
            EXPECT_GT(error.place().column, 0) << text << "\n" << error.what();
        }
    }
}

std::string told(std::string const& yaml, PlanOptions const& options = {}) {
    try {
        parse_plan(yaml, "test.yaml", "/nonexistent", fake_vocabulary(), options);
    } catch (ConfigError const& error) {
        return error.what();
    }
    return "accepted";
}

TEST(Refusals, SizesAreLimited) {
    EXPECT_EQ(told(std::string((1 << 20) + 1, ' ')), "test.yaml: a text of 1048577 bytes; 1048576 are accepted");
    std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 12; ++i) {
        auto const below = "*a" + std::to_string(i - 1);
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
        for (int j = 0; j < 9; ++j) bomb += ", " + below;
        bomb += "]\n";
    }
    EXPECT_NE(told(bomb).find(": more than 200000 values"), std::string::npos) << told(bomb);
    std::string const deep = std::string(100'000, '[');
    EXPECT_NE(told(deep), "accepted");

    std::string numbers = "[1";
    for (int i = 2; i <= 4000; ++i) numbers += "," + std::to_string(i);
    auto yaml = scenario_with("context", numbers + "]");
    yaml.replace(yaml.find("batch: [1]"), 10, "batch: " + numbers + "]");
    EXPECT_EQ(told(yaml), "test.yaml:5:3: grid: spans 32000000 cells; at most 1000000 are accepted: 'a map'");
}

TEST(Refusals, OverridesAreNamed) {
    auto const yaml = scenario_with("", "");
    auto const told_of = [&yaml](std::string const& key, std::string const& value) {
        return told(yaml, {{{key, value}}, {}});
    };
    EXPECT_EQ(
        told_of("grid.contxt", "[1]"),
        "--set grid.contxt: grid: unknown key: 'contxt'; accepted: context, codec, backend, batch, page, threads (did "
        "you mean 'context'?)");
    EXPECT_EQ(told_of("grid.context", "[0]").substr(0, 60),
              "--set grid.context: grid.context.0: expected a number of tok");
    EXPECT_EQ(told_of("grid.context", "[1").substr(0, 34), "--set grid.context: broken YAML: e");
    EXPECT_EQ(told_of("grid.context", ""), "--set grid.context: nothing but space and comments");
    EXPECT_EQ(told_of("sources.1.synthetic.seed", "1"),
              "--set sources.1.synthetic.seed: sources: no such index in this list: '1'; accepted: 0");
    EXPECT_EQ(told_of("sources.x", "1"), "--set sources.x: sources: no such index in this list: 'x'; accepted: 0");
    EXPECT_EQ(told_of("name.first", "1"), "--set name.first: name: is neither a list nor a map: 'first'");
    EXPECT_EQ(told_of("grid..context", "1"),
              "--set grid..context: expected a key such as grid.context: 'grid..context'");
    EXPECT_EQ(told_of("", "1"), "--set : expected a key such as grid.context");
    EXPECT_EQ(told_of("grid.codec.0", "int88").substr(0, 52), "--set grid.codec.0: grid.codec.0: unknown stage: 'in");
}

TEST(Refusals, FilesThatAreNone) {
    ScratchFolder const folder;
    auto const load = [&](std::string const& path) {
        try {
            load_plan(path, fake_vocabulary());
        } catch (ConfigError const& error) {
            return std::string(error.what());
        }
        return std::string("accepted");
    };
    auto const missing = folder.path() + "/missing.yaml";
    EXPECT_EQ(load(missing), missing + ": no such file");
    EXPECT_EQ(load(folder.path()), folder.path() + ": not a regular file");
    EXPECT_EQ(load("/dev/zero"), "/dev/zero: not a regular file");
    auto const large = folder.write("large.yaml", std::string((1 << 20) + 1, '#'));
    EXPECT_EQ(load(large), large + ": larger than 1048576 bytes");
    auto const empty = folder.write("empty.yaml", "");
    EXPECT_EQ(load(empty), empty + ":1:1: nothing but space and comments");
}

TEST(Refusals, SourcesThatAreNoFiles) {
    ScratchFolder const folder;
    folder.write("cache.bin", "abc");
    folder.write("cache.npz/inside", "abc");
    folder.write("text", "abc");
    EXPECT_EQ(refusal(scenario_with("sources", "[dump: {path: @cache.npz}]"), folder.path()),
              "sources.0.dump.path: not a regular file: '" + folder.path() + "/cache.npz'");
    EXPECT_EQ(refusal(scenario_with("sources", "[dump: {path: @cache.bin}]"), folder.path()),
              "sources.0.dump.path: a raw file needs a sidecar that describes it, " + folder.path() +
                  "/cache.bin.yaml: 'cache.bin'; accepted: .safetensors, .npy, .npz, .yaml");
    EXPECT_EQ(refusal(scenario_with("sources", "[model: {gguf: text, text: text, sha256: @abc}]"), folder.path()),
              "sources.0.model.sha256: the file has another SHA-256: 'abc'; accepted: "
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Refusals, SidecarsTellTheirOwnPlace) {
    ScratchFolder const folder;
    folder.write("cache.bin", "abc");
    std::vector<std::pair<std::string, std::string>> const cases{
        {"@dtype: f16", "describes no tensor: 'a map'; accepted: k, v"},
        {"{dtype: f16, k: @{}}", "k: missing key: 'shape'"},
        {"{shape: [1, 1, 1, 1], k: @{}}", "k: missing key: 'dtype'"},
        {"{dtype: f16, shape: @[1, 1, 1], k: {}}", "shape: expected 4 lengths, for 'layer head token dim': 'a list'"},
        {"{dtype: f16, shape: [1, 1, @0, 1], k: {}}", "shape.2: expected a whole number from 1 to 4294967296: '0'"},
        {"{dtype: @f99, shape: [1, 1, 1, 1], k: {}}",
         "dtype: unknown dtype: 'f99'; accepted: f32, f16, bf16, i8 (did you mean 'f32'?)"},
        {"{dtype: f16, shape: [1, 1, 1, 1], k: {offset: @-1}}",
         "k.offset: expected a whole number from 0 to 4611686018427387904: '-1'"},
        {"{dtype: f16, shape: [1, 1, 1, 1], k: {}, file: @other.bin}",
         "file: the sidecar of another file: 'other.bin'"},
        {"{dtype: f16, shape: [1, 1, 1, 1], k: {@size: 3}}",
         "k: unknown key: 'size'; accepted: offset, dtype, layout, shape, scale"}};
    for (auto const& [text, says] : cases) {
        auto const yaml = marked(text);
        auto const sidecar = folder.write("cache.bin.yaml", yaml.text);
        try {
            parse_plan(scenario_with("sources", "[dump: {path: cache.bin}]"), "test.yaml", folder.path(),
                       fake_vocabulary());
            ADD_FAILURE() << text;
        } catch (ConfigError const& error) {
            EXPECT_EQ(error.what(),
                      sidecar + ":" + std::to_string(yaml.line) + ":" + std::to_string(yaml.column) + ": " + says);
        }
    }
}

}  // namespace
}  // namespace kvstone
