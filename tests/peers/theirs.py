"""The GGUF file in transformers, which dequantises it, and the tokens that libllama makes of a text."""

import json
import os
import subprocess

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache


def load(path, threads):
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    folder, name = os.path.split(os.path.abspath(path))
    return AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()


def tokenizer(path):
    folder, name = os.path.split(os.path.abspath(path))
    return AutoTokenizer.from_pretrained(folder, gguf_file=name)


def tokens(path, text):
    """Of a text file, by libllama, nothing put before it."""
    said = subprocess.run(["llama-tokenize", "-m", path, "-f", text, "--ids", "--no-bos", "--log-disable"],
                          capture_output=True, text=True, check=True)
    return json.loads(said.stdout[said.stdout.index("["):])


def begins_with(path):
    """The token that this file wants before a text, or None."""
    import gguf
    fields = gguf.GGUFReader(path).fields
    wanted = fields.get("tokenizer.ggml.add_bos_token")
    return int(fields["tokenizer.ggml.bos_token_id"].contents()) if wanted and wanted.contents() else None


def windows(path, text, length, count):
    """The first `count` windows of a text, as llama-perplexity and our passages cut it."""
    begin = begins_with(path)
    all_tokens = ([begin] if begin is not None else []) + tokens(path, text)
    cut = [all_tokens[i * length:(i + 1) * length] for i in range(count)]
    if begin is not None:
        for window in cut:
            window[0] = begin
    return [torch.tensor([window]) for window in cut if len(window) == length]


def nll(logits, ids):
    """Mean of -log p of ids[1:], foretold by the logits behind ids[:-1]."""
    return torch.nn.functional.cross_entropy(logits[0, :-1].double(), ids[0, 1:]).item()


def plain_cache(model, ids):
    """The cache behind `ids`: [layer, head, token, dim] of K after RoPE and of V."""
    cache = DynamicCache()
    model(ids, past_key_values=cache, logits_to_keep=1)
    return (torch.stack([layer.keys[0] for layer in cache.layers]),
            torch.stack([layer.values[0] for layer in cache.layers]))
