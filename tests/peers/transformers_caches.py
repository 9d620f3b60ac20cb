#!/usr/bin/env python3
"""transformers' quantised caches (quanto and hqq, 4 and 2 bits, groups of 64) beside our codec text with the same parameters.

What they group follows from their sources, and from the shape [1, head, token, dim] that they are given:
  quanto axis 0   64 values in a row: with dim 64 a token's vector of a head   ours: axis=token,group=64
  quanto axis -1  64 tokens of a channel of a head                             ours: axis=channel,group=64
  hqq axis 1      64 values in a row; the zero point is fitted, as its own     ours: axis=token,group=64, not fitted
                  paper says, which is asked not to be in a comparison
  hqq axis 0      64 values, a 64th of the whole tensor apart: they mix heads  ours: none
KIVI has K per channel and V per token, and keeps the newest tokens plain. Theirs code all of a prompt at once, its newest
tokens too; only tokens that come later stay plain, up to residual_length, and then all is coded anew.
"""

import math
import tempfile
from types import SimpleNamespace

import theirs
import torch
from hqq.core.quantize import Quantizer as HQQQuantizer
from optimum.quanto.library.extensions import cpp as quanto_extension
from safetensors.torch import save_file
from transformers import DynamicCache, QuantizedCache

from common import Table, finish, keep, measure, options, text_file, versions

TOKEN, CHANNEL = "axis=token,group=64", "axis=channel,group=64"
# name: back end, axis of K and of V; our text of K and of V, where there is one
PEERS = {
    "quanto default": ("quanto", 0, 0, TOKEN, TOKEN),
    "quanto as KIVI": ("quanto", -1, 0, CHANNEL, TOKEN),
    "hqq axis 1": ("hqq", 1, 1, TOKEN, TOKEN),
    "hqq axis 1, not fitted": ("hqq", 1, 1, TOKEN, TOKEN),
    "hqq default": ("hqq", 0, 0, None, None),
}

# quanto compiles how it unpacks codes when that is first called, against headers of torch that Debian has elsewhere. The
# same in Python.
quanto_extension.ext._lib = SimpleNamespace(
    unpack=lambda codes, bits: torch.cat([(codes >> bits * i) & (2**bits - 1) for i in range(8 // bits)]))


def ours_of(bits, k, v):
    text = f"int:bits={bits},scheme=asymmetric,"
    return f"k{{{text}{k}}} v{{{text}{v}}}"


def our_texts():
    """Our text for each of theirs that has one, by (name, bits); and each text once, as a scenario names it."""
    texts = {(name, b): ours_of(b, *peer[3:]) for name, peer in PEERS.items() for b in (4, 2) if peer[3]}
    return texts, {text: text for text in texts.values()}


class Unfitted(HQQQuantizer):
    @classmethod
    def quantize(cls, *arguments, **named):
        return super().quantize(*arguments, optimize=False, **named)


def is_fitted(name):
    return PEERS[name][0] == "hqq" and "not fitted" not in name


def new_cache(model, bits, name):
    backend, k, v = PEERS[name][:3]
    cache = QuantizedCache(backend, model.config, nbits=bits, axis_key=k, axis_value=v, q_group_size=64, residual_length=128)
    for layer in cache.layers:
        if "not fitted" in name:
            layer.quantizer = Unfitted
    return cache


def stored_bits(cache, count):
    """Of all K and V that a cache holds, a value: codes, scales and zero points as they lie in memory."""
    def parts(stored):
        if isinstance(stored, tuple):
            return [stored[0], stored[1]["scale"], stored[1]["zero"]]
        return [stored._data._data, stored._scale, stored._shift]
    stored = [part for layer in cache.layers for one in (layer._quantized_keys, layer._quantized_values)
              for part in parts(one)]
    return 8 * sum(part.numel() * part.element_size() for part in stored) / count


def fill(cache, k, v):
    for index, layer in enumerate(cache.layers):
        layer.update(k[index][None], v[index][None])
    return cache


def nmse(original, decoded):
    return float(((decoded - original) ** 2).mean() / original.var(correction=0))


def errors(chosen, model, k, v, folder):
    """Bits and NMSE of one context's K and V, which both sides are given."""
    save_file({"k": k.contiguous(), "v": v.contiguous()}, f"{folder}/kv.safetensors")
    bits = Table(f"bits per value, {k.shape[2]} tokens; theirs with K and V in 16 bits")
    noise = Table("NMSE of decoded K and V, in f32")
    texts, codecs = our_texts()
    ours = measure(folder, "errors", {"dump": {"path": f"{folder}/kv.safetensors"}}, k.shape[2], codecs, "roundtrip")
    said = {}
    for name, peer in PEERS.items():
        for b in (4, 2):
            key = f"{name}, {b} bits"
            cache = fill(new_cache(model, b, name), k, v)
            decoded = [torch.stack([layer._dequantize(getattr(layer, part))[0] for layer in cache.layers])
                       for part in ("_quantized_keys", "_quantized_values")]
            half = fill(new_cache(model, b, name), k.half(), v.half())
            their = said[key] = {"bits": stored_bits(half, 2 * k.numel()), "bits_f32": stored_bits(cache, 2 * k.numel()),
                                 "k_nmse": nmse(k, decoded[0]), "v_nmse": nmse(v, decoded[1])}
            if (name, b) not in texts:
                print(f"{key}: {their}")
                continue
            bits.add(key, ours.value(texts[name, b], "bits_per_value"), their["bits"], 0.01, relative=True)
            for part in "kv":
                noise.add(f"{key}, {part.upper()}", ours.value(texts[name, b], "nmse", part), their[f"{part}_nmse"],
                          None if is_fitted(name) else 0.01, relative=True)
    return [bits, noise], said


def perplexities(chosen, model, folder):
    """Contexts read into their cache, continuations read behind it: our protocol context."""
    half = chosen.window // 2
    cut = theirs.windows(chosen.model, text_file(chosen), chosen.window, chosen.windows)

    def mean_nll(make_cache):
        total = 0
        for ids in cut:
            cache = make_cache()
            model(ids[:, :half], past_key_values=cache, logits_to_keep=1)
            total += theirs.nll(model(ids[:, half:], past_key_values=cache).logits, ids[:, half:])
        return total / len(cut)

    plain = mean_nll(DynamicCache)
    texts, codecs = our_texts()
    kivi = {f"KIVI, {b} bits": f"window(128){{raw}} {ours_of(b, CHANNEL, TOKEN)}" for b in (4, 2)}
    source = {"model": {"gguf": chosen.f32 or chosen.model, "text": text_file(chosen)}}
    ours = measure(folder, "texts", source, half, {"raw": "raw", **codecs, **kivi},
                   {"model": {"protocol": "context", "passages": len(cut)}})
    table = Table(f"log of perplexity over that of the plain cache, {len(cut)} windows of {chosen.window}; limit: two standard "
                  "errors of ours")
    table.add("plain cache, ppl", ours.value("raw", "ppl"), math.exp(plain), 2e-3, relative=True, digits=7)
    said = {"plain": plain}
    for name, peer in PEERS.items():
        for b in (4, 2):
            key = f"{name}, {b} bits"
            said[key] = their = mean_nll(lambda: new_cache(model, b, name)) - plain
            if (name, b) in texts:
                text = texts[name, b]
                table.add(key, math.log1p(ours.value(text, "ppl_delta_percent") / 100), their,
                          None if is_fitted(name) else ours.two_errors(text, "ppl_delta_percent") / 100)
            else:
                print(f"{key}: log ratio {their:.5f}")
    for key in kivi:
        print(f"{key}, the newest 128 tokens plain as in the paper (ours): log ratio "
              f"{math.log1p(ours.value(key, 'ppl_delta_percent') / 100):.5f} +- "
              f"{ours.two_errors(key, 'ppl_delta_percent') / 100:.5f}, {ours.value(key, 'bits_per_value'):.3f} bits")
    return table, {"window": chosen.window, "windows": len(cut), "log_ratio": said}


def main():
    parser = options(__doc__)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--windows", type=int, default=6)
    chosen = parser.parse_args()
    model = theirs.load(chosen.model, chosen.threads)
    ids = theirs.windows(chosen.model, text_file(chosen), chosen.window // 2, 1)[0]
    with tempfile.TemporaryDirectory() as folder:
        tables, said = errors(chosen, model, *theirs.plain_cache(model, ids), folder)
        table, texts = perplexities(chosen, model, folder)
    keep(chosen, "transformers_caches", {"versions": versions("transformers", "torch", "optimum-quanto", "hqq"),
                                         "tokens": chosen.window // 2, "caches": said, "texts": texts})
    finish([*tables, table])


if __name__ == "__main__":
    main()
