"""Pages of the keys of scenarios and policies: the program lists them where a file has a key that it does not know."""

import os
import re
import tempfile

from tree import code, comment_before, comment_head, fenced, give_up, kvstone, read

SYNTHETIC = "synthetic: {layers: 1, kv_heads: 1, head_dim: 64}"


def scenario(sources=f"[{SYNTHETIC}]", grid="context: [64], codec: [fp16]", more=""):
    return f"kvstone: 1\nsources: {sources}\ngrid: {{{grid}}}\nworkloads: [roundtrip]\n{more}"


def policy(more="", rule="mae <= 1"):
    return f"gate: 1\nrules: [{rule}]\n{more}"


# Each file has one key, `zz`, that nothing knows.
SCENARIOS = [
    ("A scenario", scenario(more="zz: 1\n")),
    ("An item of `sources`", scenario(sources=f"[{{{SYNTHETIC}, zz: 1}}]")),
    ("`model`", scenario(sources="[model: {gguf: tiny, zz: 1}]")),
    ("`dump`", scenario(sources="[dump: {path: x.npz, zz: 1}]")),
    ("`synthetic`", scenario(sources="[synthetic: {shape: llama-3.1-8b, zz: 1}]")),
    ("`grid`", scenario(grid="context: [64], codec: [fp16], zz: 1")),
    ("An item of `grid.codec` that is a map", scenario(grid="context: [64], codec: [{codec: fp16, zz: 1}]")),
    ("A codec of `codecs`", scenario(more="codecs: {mine: {command: [a], zz: 1}}\n")),
    ("`measure`", scenario(more="measure: {zz: 1}\n")),
    ("A match, as in `exclude`, `require`, `parts` and `match`", scenario(more="exclude: [{zz: 1}]\n")),
    ("An item of `published`", scenario(more="published: [{zz: 1}]\n")),
    ("An item of `targets`", scenario(more="targets: [{zz: 1}]\n")),
]
POLICIES = [
    ("A policy", policy("zz: 1\n")),
    ("An item of `rules` that is a map", policy(rule="{rule: mae <= 1, zz: 1}")),
    ("An item of `joint`", policy("joint: [{gain: decode_ns, not_with: [mae], zz: 1}]\n")),
    ("An item of `waivers`", policy("waivers: [{until: 2030-01-01, reason: x, zz: 1}]\n")),
    ("`build`", policy("build: {command: x, program: x, zz: 1}\n")),
    ("A match, as in `match`, `except` and `require`", policy(rule="{rule: mae <= 1, match: {zz: 1}}")),
]


def accepted(places, verb):
    text = "The program accepts these keys, and no others:\n"
    with tempfile.TemporaryDirectory() as folder:
        for title, content in places:
            with open(os.path.join(folder, "probe.yaml"), "w", encoding="utf-8") as file:
                file.write(content)
            _, err, _ = kvstone(verb, "probe.yaml", folder=folder)
            found = re.search(r": 'zz'; accepted: (.*)", err)
            if not found:
                give_up(f"{title}: the program does not list its keys: {err}")
            keys = re.sub(r" \(did you mean .*", "", found[1]).split(", ")
            text += f"\n**{title}**: {', '.join(code(key) for key in keys)}.\n"
    return text


def scenario_keys():
    text = f"# Keys of scenarios\n\n[Scenarios](../scenarios.md) explains them. {accepted(SCENARIOS, 'plan')}"
    for title, header, declaration in [
            ("The whole file", "scenario.hpp", "Plan load_plan("),
            ("Sources", "source_entry.hpp", "std::vector<SourceEntry> sources_of("),
            ("Codecs", "codec_entry.hpp", "std::vector<CodecEntry> codecs_of("),
            ("Codecs from outside", "external_definition.hpp", "struct ExternalDefinition {"),
            ("Workloads", "workload_entry.hpp", "std::vector<WorkloadEntry> workloads_of("),
            ("Measure", "measure.hpp", "Measure measure_of(")]:
        text += f"\n## {title}\n\n{fenced(comment_before(read('scenarios', header), declaration))}"
    return text + f"\n## Sidecars of raw dumps\n\n{fenced(comment_head(read('scenarios', 'raw_sidecar.hpp'), '//'))}"


def policy_keys():
    whole = comment_before(read("scenarios", "gate_policy.hpp"), "GatePolicy load_policy(")
    rules = comment_before(read("results", "verdict", "rule.hpp"), "struct PolicyRule")
    return (f"# Keys of gate policies\n\n[Gates](../gates.md) explains them. {accepted(POLICIES, 'gate')}"
            f"\n## The whole file\n\n{fenced(whole)}\n## Rules\n\n{fenced(rules)}")
