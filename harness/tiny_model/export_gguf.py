#!/usr/bin/env python3
"""Writes a checkpoint as GGUF version 3: matrices in F16, norms and biases in F32.

    export_gguf.py DIR tiny.gguf
"""
import os
import struct
import sys

import numpy

import model
import tokenizer

ALIGNMENT = 32
U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5  # GGUF value types
TENSOR_NAMES = {"attention_norm.weight": "attn_norm.weight", "q.weight": "attn_q.weight", "k.weight": "attn_k.weight",
                "k.bias": "attn_k.bias", "v.weight": "attn_v.weight", "o.weight": "attn_output.weight",
                "ffn_norm.weight": "ffn_norm.weight", "gate.weight": "ffn_gate.weight", "up.weight": "ffn_up.weight",
                "down.weight": "ffn_down.weight"}


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def array(kind, pack, items):
    return struct.pack("<IQ", kind, len(items)) + b"".join(pack(item) for item in items)


def metadata(config, codec):
    def u32(value):
        return U32, struct.pack("<I", value)

    def f32(value):
        return F32, struct.pack("<f", value)

    control, normal = 3, 1  # llama.cpp's token types
    types = [control] + [normal] * (len(codec.tokens) - 1)
    return {
        "general.architecture": (STRING, string("llama")),
        "general.name": (STRING, string("KVstone tiny")),
        "general.file_type": u32(1),
        "general.alignment": u32(ALIGNMENT),
        "llama.vocab_size": u32(config.vocabulary),
        "llama.context_length": u32(config.context),
        "llama.embedding_length": u32(config.width),
        "llama.block_count": u32(config.layers),
        "llama.feed_forward_length": u32(config.ffn),
        "llama.attention.head_count": u32(config.heads),
        "llama.attention.head_count_kv": u32(config.kv_heads),
        "llama.attention.key_length": u32(config.head_dim),
        "llama.attention.value_length": u32(config.head_dim),
        "llama.attention.layer_norm_rms_epsilon": f32(config.epsilon),
        "llama.rope.dimension_count": u32(config.head_dim),
        "llama.rope.freq_base": f32(config.rope_base),
        "tokenizer.ggml.model": (STRING, string("gpt2")),
        "tokenizer.ggml.pre": (STRING, string("gpt-2")),
        "tokenizer.ggml.tokens": (ARRAY, array(STRING, string, codec.tokens)),
        "tokenizer.ggml.token_type": (ARRAY, array(I32, lambda t: struct.pack("<i", t), types)),
        "tokenizer.ggml.merges": (ARRAY, array(STRING, string, [" ".join(pair) for pair in codec.merges])),
        "tokenizer.ggml.bos_token_id": u32(0),
        "tokenizer.ggml.eos_token_id": u32(0),
        "tokenizer.ggml.add_bos_token": (BOOL, b"\0"),
    }


def gguf_name(name):
    if name == "embedding.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, number, rest = name.split(".", 2)
    return f"blk.{number}.{TENSOR_NAMES[rest]}"


def padded(data):
    return data + bytes(-len(data) % ALIGNMENT)


def write(path, config, codec, state):
    tensors = [(gguf_name(name), value.numpy().astype("<f2" if value.dim() == 2 else "<f4"))
               for name, value in state.items()]
    entries = metadata(config, codec)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries))
    for key, (kind, value) in entries.items():
        head += string(key) + struct.pack("<I", kind) + value
    offset = 0
    for name, value in tensors:
        kind = 1 if value.dtype == numpy.float16 else 0
        head += string(name) + struct.pack(f"<I{value.ndim}QIQ", value.ndim, *reversed(value.shape), kind, offset)
        offset += len(padded(value.tobytes()))
    with open(path, "wb") as file:
        file.write(padded(head) + b"".join(padded(value.tobytes()) for _, value in tensors))


if __name__ == "__main__":
    folder, target = sys.argv[1:]
    trained, saved = model.load(os.path.join(folder, "checkpoint.pt"))
    write(target, trained.config, tokenizer.Tokenizer.load(os.path.join(folder, "tokenizer.json")), saved["state"])
