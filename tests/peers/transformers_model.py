#!/usr/bin/env python3
"""K and V after RoPE, perplexity and tokens beside those of transformers.

transformers dequantises the weights and computes in f32. libllama multiplies Q4 weights with activations that it quantises to
8 bits, which moves V by some percent and perplexity by half of one: there the limit is wide. With the same weights
dequantised (--f32) both compute the same function.
"""

import os
import subprocess
import tempfile

from safetensors.numpy import load_file

import theirs
from common import Table, finish, keep, measure, options, text_file, versions

SHOWN = (0, 15, 29)


def halves(k):
    """RoPE turns pairs (2 i, 2 i + 1) in libllama, (i, i + d / 2) in transformers: K of ours in their order."""
    pairs = k.reshape(*k.shape[:-1], k.shape[-1] // 2, 2)
    return pairs.swapaxes(-1, -2).reshape(k.shape)


def dumped(chosen, model, folder):
    path = os.path.join(folder, "dump.safetensors")
    source = f"model: {{gguf: {model}, text: {text_file(chosen)}}}"
    subprocess.run(["kvstone", "dump", source, "--context", str(chosen.tokens), "-o", path],
                   check=True, stdout=subprocess.DEVNULL)
    tensors = load_file(path)
    return halves(tensors["k"]), tensors["v"]


def apart(ours, theirs_):
    """Relative L2 distance."""
    return float(((ours - theirs_) ** 2).sum() ** 0.5 / (theirs_ ** 2).sum() ** 0.5)


def caches(chosen, hf, folder):
    ids = theirs.windows(chosen.model, text_file(chosen), chosen.tokens, 1)[0]
    expected = [tensor.numpy() for tensor in theirs.plain_cache(hf, ids)]
    tables = []
    for model, limit in ((chosen.f32, 1e-3), (chosen.model, None)):
        if not model:
            continue
        table = Table(f"K after RoPE and V of {chosen.tokens} tokens, {os.path.basename(model)}: relative L2 distance")
        for name, ours, their in zip("KV", dumped(chosen, model, folder), expected):
            for layer in SHOWN:
                table.add(f"{name} of layer {layer}", apart(ours[layer], their[layer]), 0, limit, digits=3)
            table.add(f"{name} of all layers", apart(ours, their), 0, limit, digits=3)
        tables.append(table)
    return tables, expected


def perplexities(chosen, hf, folder):
    from math import exp
    half = chosen.window // 2
    cut = theirs.windows(chosen.model, text_file(chosen), chosen.window, chosen.windows)
    each = [theirs.nll(hf(ids, logits_to_keep=half).logits, ids[:, half:]) for ids in cut]
    their = exp(sum(each) / len(each))
    table = Table(f"perplexity without a codec, {len(cut)} windows of {chosen.window} tokens, the second half of each scored")
    for model, limit in ((chosen.f32, 2e-3), (chosen.model, 1e-2)):
        if model:
            source = {"model": {"gguf": model, "text": text_file(chosen)}}
            ours = measure(folder, "f32" if model == chosen.f32 else "plain", source, half, {"raw": "raw"},
                           {"model": {"protocol": "context", "passages": len(cut)}})
            table.add(os.path.basename(model), ours.value("raw", "ppl"), their, limit, relative=True, digits=7)
    return table, {"window": chosen.window, "windows": len(cut), "ppl": their, "nll": [round(x, 6) for x in each]}


def tokens_of(chosen):
    """How many tokens of the text differ where transformers' own tokenizer reads it."""
    with open(text_file(chosen), newline="") as file:
        text = file.read(200_000).rsplit("\n", 1)[0]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", newline="") as part:
        part.write(text)
        part.flush()
        ours = theirs.tokens(chosen.model, part.name)
    their = theirs.tokenizer(chosen.model)(text, add_special_tokens=False)["input_ids"]
    table = Table("tokens of the first 200,000 characters")
    table.add("count", len(ours), len(their), 0)
    table.add("differing in their order", sum(a != b for a, b in zip(ours, their)), 0, 0)
    return table


def main():
    parser = options(__doc__)
    parser.add_argument("--tokens", type=int, default=256, help="whose K and V are compared")
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--windows", type=int, default=8)
    chosen = parser.parse_args()
    hf = theirs.load(chosen.model, chosen.threads)
    with tempfile.TemporaryDirectory() as folder:
        tables, (k, v) = caches(chosen, hf, folder)
        table, texts = perplexities(chosen, hf, folder)
    # Of the last token and the first and last 4 dims of each head: enough to tell layers, heads and RoPE's order.
    some = [0, 1, 2, 3, -4, -3, -2, -1]
    keep(chosen, "transformers_model", {
        "versions": versions("transformers", "torch"), "tokens": chosen.tokens, "dims": some,
        "k": {str(layer): k[layer][:, -1, some].astype(float).round(6).tolist() for layer in SHOWN},
        "v": {str(layer): v[layer][:, -1, some].astype(float).round(6).tolist() for layer in SHOWN}, **texts})
    finish([tokens_of(chosen), *tables, table])


if __name__ == "__main__":
    main()
