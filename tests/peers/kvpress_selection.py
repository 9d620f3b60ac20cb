#!/usr/bin/env python3
"""The tokens that kvpress's presses keep of captured K, V and Q beside those of stage `keep` with the same parameters.

A press is given an attention layer, whose hidden states it turns into queries. Here the layer is a stand-in: its hidden states
are the captured queries, turned back before RoPE, its q_proj changes nothing, and its rotary_emb rotates in double precision.
Attention weights, which ObservedAttention wants, are those of transformers' own eager attention. Scores and the choice of
tokens are the press's own code. K and Q go from libllama's order of RoPE's pairs (2 i, 2 i + 1) to theirs (i, i + d / 2).

All is in double precision except the softmax of attention weights, which both packages take in f32. Two scores that are closer
than that rounding moves them may change places: such ties are counted by themselves, and the golden table has none.
"""

import json
import math
import os
import re
import shlex
import subprocess
import sys
import tempfile
from types import SimpleNamespace

# kvpress imports fire, which imports a module that Python 3.13 removed, for this one function of it.
sys.modules.setdefault("pipes", shlex)

import kvpress
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers.models.llama.modeling_llama import eager_attention_forward

from common import finish, keep, options, text_file, versions

SHARES = (0.1, 0.25, 0.5, 0.75)
# What is added to `keep:policy=NAME,share=S`, and the same for a press of compression_ratio 1 - S; of as many tokens.
SMALL = (
    ("streaming", "sink=4", kvpress.StreamingLLMPress, {"n_sink": 4}),
    ("streaming", "sink=1", kvpress.StreamingLLMPress, {"n_sink": 1}),
    ("knorm", "sink=0,window=0", kvpress.KnormPress, {}),
    ("h2o", "sink=0,window=0", kvpress.ObservedAttentionPress, {}),
    ("snapkv", "sink=0,window=2", kvpress.SnapKVPress, {"window_size": 2}),
    ("snapkv", "sink=0,window=2,kernel=3", kvpress.SnapKVPress, {"window_size": 2, "kernel_size": 3}),
    ("tova", "sink=0,window=1", kvpress.TOVAPress, {}),
    ("expected_attention", "sink=2,window=0", kvpress.ExpectedAttentionPress, {"n_sink": 2}),
    ("expected_attention", "sink=2,window=0,future=16,covariance=off,value_norm=off", kvpress.ExpectedAttentionPress,
     {"n_sink": 2, "n_future_positions": 16, "use_covariance": False, "use_vnorm": False}),
    ("expected_attention", "sink=2,window=0,epsilon=0.01", kvpress.ExpectedAttentionPress, {"n_sink": 2, "epsilon": 0.01}),
    ("pyramid", "sink=0,window=2", kvpress.PyramidKVPress, {"window_size": 2}),
    ("pyramid", "sink=0,window=2,beta=3", kvpress.PyramidKVPress, {"window_size": 2, "beta": 3}),
)
LARGE = (
    ("streaming", "sink=4", kvpress.StreamingLLMPress, {}),
    ("knorm", "sink=0,window=0", kvpress.KnormPress, {}),
    ("h2o", "sink=0,window=0", kvpress.ObservedAttentionPress, {}),
    ("snapkv", "sink=0,window=32", kvpress.SnapKVPress, {"window_size": 32}),
    ("tova", "sink=0,window=1", kvpress.TOVAPress, {}),
    ("expected_attention", "sink=4,window=0", kvpress.ExpectedAttentionPress, {}),
    ("pyramid", "sink=0,window=8", kvpress.PyramidKVPress, {"window_size": 8}),
)


class Capture:
    """K, V and Q of a dump in double precision, [layer, head, token, dim], and the rotation of K and Q."""

    def __init__(self, path):
        with safe_open(path, "pt") as file:
            self.metadata = file.metadata()
            stored = [file.get_tensor(name).double() for name in ("k", "v", "q")]
        self.rope = json.loads(self.metadata["rope"])
        self.layers, self.kv_heads, self.tokens, self.dim = stored[0].shape
        self.heads = stored[2].shape[1]
        if self.rope["dims"] != self.dim or self.rope["scale"] != 1 or self.rope.get("frequency_factors"):
            raise SystemExit(f"{path}: RoPE of all channels with plain frequencies is needed, not {self.rope}")
        self.k, self.q = self.halves(stored[0]), self.halves(stored[2])
        self.v = stored[1]
        self.cos, self.sin = self.rotary(None, torch.arange(self.tokens)[None])
        # Rotated by the opposite angle.
        self.q_before = self.q * self.cos - self.turned(self.q) * self.sin

    def halves(self, x):
        if not self.rope["interleaved"]:
            return x
        return x.unflatten(-1, (-1, 2)).transpose(-1, -2).flatten(-2)

    @staticmethod
    def turned(x):
        first, second = x.chunk(2, -1)
        return torch.cat([-second, first], -1)

    def rotary(self, _, positions):
        frequencies = self.rope["base"] ** (-torch.arange(0, self.dim, 2).double() / self.dim)
        angles = positions[..., None].double() * frequencies
        angles = torch.cat([angles, angles], -1)
        return angles.cos(), angles.sin()


class Layer:
    """A layer of a capture as presses see it."""

    def __init__(self, capture, index):
        heads = capture.heads
        self.module = SimpleNamespace(
            layer_idx=index, head_dim=capture.dim, num_key_value_groups=heads // capture.kv_heads, training=False,
            config=SimpleNamespace(num_attention_heads=heads, num_key_value_heads=capture.kv_heads,
                                   num_hidden_layers=capture.layers),
            q_proj=lambda hidden: hidden, rotary_emb=capture.rotary)
        self.k, self.v = capture.k[index][None], capture.v[index][None]
        self.hidden = capture.q_before[index].transpose(0, 1).flatten(1)[None]
        self.embeddings = (capture.cos, capture.sin)
        later = torch.full((capture.tokens, capture.tokens), -torch.inf).triu(1)[None, None].double()
        q = capture.q[index][None]
        self.attentions = eager_attention_forward(self.module, q, self.k, self.v, later, capture.dim ** -0.5)[1]
        groups = self.module.num_key_value_groups
        logits = q @ self.k.repeat_interleave(groups, 1).transpose(2, 3) * capture.dim ** -0.5
        self.largest_logit = float(logits.abs().max())
        self.places = [{row.numpy().tobytes(): t for t, row in enumerate(head)} for head in self.k[0]]
        assert all(len(places) == capture.tokens for places in self.places), "two tokens have the same K"

    def arguments(self, press):
        observes = isinstance(press, kvpress.ObservedAttentionPress)
        return (self.module, self.hidden, self.k, self.v, self.attentions if observes else None,
                {"position_embeddings": self.embeddings})

    def kept(self, press):
        """Of each KV head: the tokens, rising."""
        k, _ = press.compress(*self.arguments(press))
        return [sorted(self.places[head][row.numpy().tobytes()] for row in rows) for head, rows in enumerate(k[0])]

    def rounding(self, press):
        """By which factor scores may be wrong. f32 rounds a logit, the largest one, and their difference: of the weight, that
        is an error of as many units as these are large; the exponential, the sum and the quotient add some. Means of positive
        weights have no larger one. Double precision: sums of products that cancel."""
        in_f32 = isinstance(press, (kvpress.ObservedAttentionPress, kvpress.SnapKVPress, kvpress.TOVAPress))
        return 2 ** -24 * (4 * self.largest_logit + 16) if in_f32 else 1e-10

    def distances(self, press, kept):
        """Of each KV head: how far the least score that stays lies above the highest of the others, relative to the larger of
        them; infinite where none is dropped, and for streaming, whose scores are 1 and 0."""
        def distance(scores, tokens):
            stays = torch.zeros(len(scores), dtype=torch.bool)
            stays[tokens] = True
            least, most = float(scores[stays].min()), float(scores[~stays].max())
            return (least - most) / max(abs(least), abs(most))
        if isinstance(press, kvpress.StreamingLLMPress):
            return [math.inf] * len(kept)
        return [distance(scores, tokens) if len(tokens) < len(scores) else math.inf
                for scores, tokens in zip(press.score(*self.arguments(press))[0], kept)]


def cases(table, tokens):
    """Texts and presses, where the share has room for all first and last tokens that stay in any case: kvpress drops any of
    these without it, ours refuses."""
    for policy, more, press, arguments in table:
        always = sum(int(number) for number in re.findall(r"(?:sink|window)=(\d+)", more))
        for share in SHARES:
            if int(tokens * (1 - (1 - share))) >= always:
                yield f"keep:policy={policy},share={share:g},{more}", press(compression_ratio=1 - share, **arguments)


def cut(chosen, folder, path):
    """A capture of the shipped model that is small enough for the repository: some layers and tokens, in f16."""
    dump = os.path.join(folder, "tiny.safetensors")
    subprocess.run(["kvstone", "dump", "model: {gguf: tiny, text: builtin}", "--context", str(chosen.small_tokens), "-o", dump],
                   check=True, stdout=subprocess.DEVNULL)
    with safe_open(dump, "pt") as file:
        tensors = {name: file.get_tensor(name)[[0, 3]].half().contiguous() for name in ("k", "v", "q")}
        metadata = {**file.metadata(), "layers": "0 and 3", "type": "rounded to f16"}
    save_file(tensors, path, metadata)


def golden(chosen, folder):
    """Writes kvpress_selection.json, from the capture that lies beside it; --cut makes that one anew first."""
    path = os.path.join(chosen.golden, "kvpress_selection.safetensors")
    if chosen.cut or not os.path.exists(path):
        os.makedirs(chosen.golden, exist_ok=True)
        cut(chosen, folder, path)
    capture = Capture(path)
    layers = [Layer(capture, index) for index in range(capture.layers)]
    table, nearest = {}, (math.inf, "")
    for text, press in cases(SMALL, capture.tokens):
        table[text] = []
        for layer in layers:
            kept = layer.kept(press)
            roundings = min(layer.distances(press, kept)) / layer.rounding(press)
            if roundings <= 2:
                raise SystemExit(f"{text}: rounding may exchange two tokens: take other tokens")
            nearest = min(nearest, (roundings, text))
            table[text].append(kept)
    print(f"golden table: {len(table)} texts; a token that stays and one that does not are at least {nearest[0]:.3g} times as far "
          f"apart as rounding moves a score ({nearest[1]})")
    keep(chosen, "kvpress_selection", {"versions": versions("kvpress", "transformers", "torch"), "kept": table})


def compare(chosen, folder):
    dump = os.path.join(folder, "dump.safetensors")
    source = f"model: {{gguf: {chosen.model}, text: {text_file(chosen)}}}"
    subprocess.run(["kvstone", "dump", source, "--context", str(chosen.tokens), "-o", dump], check=True,
                   stdout=subprocess.DEVNULL)
    capture = Capture(dump)
    texts = [text for text, _ in cases(LARGE, capture.tokens)]
    ours = json.loads(subprocess.run(["kvstone-kept", dump, *texts], check=True, stdout=subprocess.PIPE).stdout)
    agreement = Agreement(capture, texts)
    for index in range(capture.layers):
        layer = Layer(capture, index)
        for text, press in cases(LARGE, capture.tokens):
            kept = layer.kept(press)
            for head, distance in enumerate(layer.distances(press, kept)):
                agreement.add(text, ours[text][index][head], kept[head], distance <= 2 * layer.rounding(press))
    return agreement


class Agreement:
    """Kept tokens by policy and share; only a tie lets them differ, by one token for another."""

    def __init__(self, capture, texts):
        self.title = f"{capture.tokens} tokens, {capture.layers} layers of {capture.kv_heads} KV heads: how many stay"
        self.rows = {text: dict(theirs=0, ours=0, both=0, tied=0, unlike=0) for text in texts}

    def add(self, text, ours, theirs, tie):
        row, both = self.rows[text], len(set(ours) & set(theirs))
        for name, count in (("theirs", len(theirs)), ("ours", len(ours)), ("both", both)):
            row[name] += count
        if ours != theirs:
            row["tied" if tie and len(ours) == len(theirs) else "unlike"] += 1

    def print(self):
        table = [["what", "by kvpress", "by ours", "by both", "heads that differ by a tie", "otherwise", "ok"]]
        for text, row in self.rows.items():
            table.append([text, *map(str, row.values()), "NO" if row["unlike"] else "yes"])
        widths = [max(map(len, column)) for column in zip(*table)]
        print(f"\n{self.title}")
        for line in table:
            print(" | ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
        return sum(row["unlike"] > 0 for row in self.rows.values())


def main():
    parser = options(__doc__)
    parser.add_argument("--tokens", type=int, default=512, help="of SmolLM2's capture")
    parser.add_argument("--small-tokens", type=int, default=28, help="of the shipped model's, in the repository")
    parser.add_argument("--cut", action="store_true", help="with --golden: make the small capture anew, too")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as folder:
        if chosen.golden:
            golden(chosen, folder)
        finish([compare(chosen, folder)])


if __name__ == "__main__":
    main()
