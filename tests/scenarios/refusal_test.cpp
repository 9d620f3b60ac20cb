// Single values and keys that a scenario must not have.

#include "tests/scenarios/refusal.hpp"

namespace kvstone {
namespace {

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
             "unknown key: 'colour'; accepted: kvstone, name, sources, codecs, grid, workloads, measure, exclude, "
             "require, "
             "parts, published, targets"},
        Case{"", "@exlude: []",
             "unknown key: 'exlude'; accepted: kvstone, name, sources, codecs, grid, workloads, measure, exclude, "
             "require, "
             "parts, published, targets (did you mean 'exclude'?)"},
        Case{"", "parts: @[{codec: raw}]",
             "parts: expected named parts: 'a list'; accepted: parts: {quick: [{context: 512}]}"},
        Case{"", "@name: twice", "key given twice (first in line 2): 'name'"},
        Case{"", "@[a, b]: x", "a key must be one word"}, Case{"", "@~: x", "a key must be one word"},
        Case{"workloads", "@roundtrip", "workloads: expected a list: 'roundtrip'"},
        Case{"workloads", "@[]", "workloads: expected at least one item: 'a list'"},
        Case{"workloads", "[@roundtripp]",
             "workloads.0: unknown workload: 'roundtripp'; accepted: roundtrip, attention (did you mean 'roundtrip'?)"},
        Case{"workloads", "[roundtrip, @[attention]]",
             "workloads.1: expected a workload: 'a list'; accepted: roundtrip, attention"},
        Case{"measure", "@5",
             "measure: expected a map: '5'; accepted: min_time, warm_up, repetitions, processes, threads, "
             "timeout, memory, timing, placement, work, work_layers, work_start, work_tokens"},
        Case{"measure", "{@repetition: 5}",
             "measure: unknown key: 'repetition'; accepted: min_time, warm_up, repetitions, processes, threads, "
             "timeout, "
             "memory, timing, placement, work, work_layers, work_start, work_tokens (did you mean 'repetitions'?)"},
        Case{"measure", "{placement: @every-node}",
             "measure.placement: unknown placement: 'every-node'; accepted: any, pinned"},
        Case{"measure", "{work: @perf}", "measure.work: unknown instrument: 'perf'; accepted: off, callgrind"},
        Case{"measure", "{timing: @never}",
             "measure.timing: unknown switch: 'never'; accepted: on, off, true, false, only"},
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
             "sources.0.synthetic.shape: unknown shape: 'gpt3'; accepted: llama-3.1-8b, gpt2, deepseek-v3 (did you "
             "mean 'gpt2'?)"},
        Case{"sources", "[synthetic: @{layers: 1, kv_heads: 1}]", "sources.0.synthetic: missing key: 'head_dim'"},
        Case{"sources", "[synthetic: @{}]", "sources.0.synthetic: missing key: 'layers'"},
        Case{"sources", "[synthetic: @gpt2]",
             "sources.0.synthetic: expected a map: 'gpt2'; accepted: shape, layers, heads, kv_heads, head_dim, "
             "latent, rope_base, distribution, format, seed"},
        Case{"sources", "[synthetic: {shape: gpt2, @dims: 3}]",
             "sources.0.synthetic: unknown key: 'dims'; accepted: shape, layers, heads, kv_heads, head_dim, latent, "
             "rope_base, distribution, format, seed"},
        Case{"sources", "[synthetic: {shape: gpt2, heads: @13}]",
             "sources.0.synthetic.heads: 13 query heads are no multiple of 12 KV heads: '13'"},
        Case{"sources", "[synthetic: @{shape: gpt2, kv_heads: 5}]",
             "sources.0.synthetic: 12 query heads are no multiple of 5 KV heads: 'a map'"},
        Case{
            "sources", "[synthetic: {layers: 1, kv_heads: 2, head_dim: 8, latent: @4}]",
            "sources.0.synthetic.latent: a latent of 4 channels stands beside others in the one KV head there is: '4'"},
        Case{
            "sources", "[synthetic: {layers: 1, kv_heads: 1, head_dim: 8, latent: @8}]",
            "sources.0.synthetic.latent: a latent of 8 channels stands beside others in the one KV head there is: '8'"},
        Case{"sources", "[synthetic: {shape: gpt2, format: @3}]",
             "sources.0.synthetic.format: expected a whole number from 1 to 2: '3'"},
        Case{"sources", "[synthetic: {shape: gpt2, distribution: normal, format: @1}]",
             "sources.0.synthetic.format: only the llama distribution has formats: '1'"},
        Case{"sources", "[synthetic: {shape: gpt2, distribution: @uniform}]",
             "sources.0.synthetic.distribution: unknown distribution: 'uniform'; accepted: llama, normal"},
        Case{"sources", "[synthetic: {shape: gpt2, rope_base: @-1}]",
             "sources.0.synthetic.rope_base: expected 0 (no RoPE), or a number from 1: '-1'"},
        Case{"sources", "[synthetic: {shape: gpt2, rope_base: @0.5}]",
             "sources.0.synthetic.rope_base: expected 0 (no RoPE), or a number from 1: '0.5'"},
        Case{"sources", "[model: @{text: builtin}]", "sources.0.model: missing key: 'gguf'"},
        Case{"sources", "[model: {gguf: @tiny}]", "sources.0.model.gguf: this build has no built-in 'tiny': 'tiny'"},
        Case{"sources", "[model: {gguf: x, text: @builtin}]",
             "sources.0.model.text: this build has no built-in 'builtin': 'builtin'"},
        Case{"sources", "[model: @{gguf: x, path: y}]", "sources.0.model: gguf and path name the same thing: 'a map'"},
        Case{"sources", "[model: {gguf: @x.gguf, text: y}]",
             "sources.0.model.gguf: cannot be read: No such file or directory: '/nonexistent/x.gguf'"},
        Case{"sources", "[model: {@prompt: x}]",
             "sources.0.model: unknown key: 'prompt'; accepted: gguf, path, text, sha256, gpu_layers, reference"},
        Case{"sources", "[dump: @{k: x}]", "sources.0.dump: missing key: 'path'"},
        Case{"sources", "[dump: {path: @x.npz}]", "sources.0.dump.path: no such file: '/nonexistent/x.npz'"},
        Case{"sources", "[dump: {path: [@x.npy]}]", "sources.0.dump.path.0: no such file: '/nonexistent/x.npy'"},
        Case{"sources", "[dump: {path: @'*.npz'}]", "sources.0.dump.path: no file matches: '*.npz'"},
        Case{"sources", "[dump: {path: @[]}]", "sources.0.dump.path: expected at least one item: 'a list'"},
        Case{"sources", "[dump: {path: @x.bin}]", "sources.0.dump.path: no such file: '/nonexistent/x.bin'"},
        Case{"sources", "[dump: {path: @x.yaml}]", "sources.0.dump.path: no such file: '/nonexistent/x.yaml'"},
        Case{"sources", "[dump: {path: x.npz, layout: @token}]",
             "sources.0.dump.layout: a layout without token or dim: 'token'; accepted: layer, batch, head, token, dim"},
        Case{"sources", "[dump: {path: x.npz, layout: @token dim dim}]",
             "sources.0.dump.layout: an axis twice in a layout: 'token dim dim'; accepted: layer, batch, head, token, "
             "dim"},
        Case{"sources", "[dump: {path: x.npz, layout: @tokens dim}]",
             "sources.0.dump.layout: unknown axis in a layout: 'tokens dim'; accepted: layer, batch, head, token, dim"},
        Case{"sources", "[dump: {path: x.npz, dtype: @f64}]",
             "sources.0.dump.dtype: unknown dtype: 'f64'; accepted: f32, f16, bf16, i8, f8_e4m3, f8_e5m2 (did you mean "
             "'f32'?)"},
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
             "grid.codec.0: expected either a codec text or its parts: 'a map'; accepted: name, codec, sources, keep, "
             "layers, heads, "
             "sink, window, k, v, rest"},
        Case{"codec", "[@{codec: raw, k: raw}]",
             "grid.codec.0: expected either a codec text or its parts: 'a map'; accepted: name, codec, sources, keep, "
             "layers, heads, "
             "sink, window, k, v, rest"},
        Case{"codec", "[{@windows: 3, rest: raw}]",
             "grid.codec.0: unknown key: 'windows'; accepted: name, codec, sources, keep, layers, heads, sink, window, "
             "k, v, "
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

}  // namespace
}  // namespace kvstone
