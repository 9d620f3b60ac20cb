"""Dumps as Python's own writers make them, for python_dumps_test.cpp: dumps.py write CASE | check.

`write` makes a file in the present folder, source.txt (the source as a scenario has it) and expected.npz (k and v as
[layer, head, token, dim]). `check` compares those with out.safetensors, to the last bit, as safetensors itself reads it.
"""
import json
import os
import re
import sys
import types

import numpy
import safetensors
import safetensors.numpy

LAYERS, HEADS, TOKENS, DIM = 2, 3, 5, 8
random = numpy.random.default_rng(7)


def cache():
    """K or V, [layer, head, token, dim]."""
    return random.standard_normal((LAYERS, HEADS, TOKENS, DIM)).astype(numpy.float32)


def transformers():
    """Runs the tutorial's own lines; numpy stands in for torch, and a cache of two sequences for the model's."""
    page = open(os.path.join(os.path.dirname(__file__), "../../../docs/tutorial.md")).read()
    lines = re.search(r"after these lines:\n\n```python\n(.*?)```", page, re.S).group(1)
    k, v = cache(), cache()

    class Tensor(numpy.ndarray):
        def contiguous(self):
            return numpy.ascontiguousarray(self)

    def layer_of(tensor):
        # [batch, head, token, dim] over memory in another order, as attention leaves it; the first sequence is ours.
        batch = numpy.stack([tensor, tensor + 1]).transpose(0, 2, 1, 3).copy()
        return batch.transpose(0, 2, 1, 3).view(Tensor)

    class Pretrained:
        @classmethod
        def from_pretrained(cls, name):
            return cls()

        def __call__(self, text=None, **rest):
            # A cache of today's transformers has more than K and V of a layer.
            layers = [(layer_of(k[i]), layer_of(v[i]), None) for i in range(LAYERS)]
            return types.SimpleNamespace(past_key_values=layers) if text is None else {"input_ids": text}

    saver = types.ModuleType("safetensors.torch")
    saver.save_file = safetensors.numpy.save_file
    models = types.ModuleType("transformers")
    models.AutoModelForCausalLM = models.AutoTokenizer = Pretrained
    sys.modules["safetensors.torch"], sys.modules["transformers"] = saver, models
    open("text.txt", "w").write("a text")
    exec(compile(lines, "tutorial.md", "exec"), {})
    return re.search(r"the source is `(dump: .*?)`", page, re.S).group(1).replace("\n", " "), k, v


def shards():
    k, v = cache(), cache()
    weights = {}
    for number, (name, tensor) in enumerate([("k", k), ("v", v)], 1):
        shard = f"cache-{number:05}-of-00002.safetensors"
        safetensors.numpy.save_file({name: tensor}, shard, metadata={"format": "np"})
        weights[name] = shard
    with open("cache.safetensors.index.json", "w") as index:
        json.dump({"metadata": {"total_size": k.nbytes + v.nbytes}, "weight_map": weights}, index, indent=2)
    return "dump: {path: cache.safetensors.index.json}", k, v


def small_float(codes, exponent_bits, bias):
    """The values of floats of 8 bits, by the formula of the OCP specification."""
    codes, mantissa_bits = codes.astype(int), 7 - exponent_bits
    exponent = (codes >> mantissa_bits) & (1 << exponent_bits) - 1
    fraction = (codes & (1 << mantissa_bits) - 1) / (1 << mantissa_bits)
    size = numpy.where(exponent == 0, fraction * 2.0 ** (1 - bias), (1 + fraction) * 2.0 ** (exponent - bias))
    return numpy.where(codes & 128, -size, size).astype(numpy.float32)


def floats_of_8_bits():
    shape = (LAYERS, HEADS, TOKENS, DIM)
    k = random.integers(0, 256, shape).astype(numpy.uint8)
    k[(k & 127) == 127] = 0  # NaN of E4M3
    v = random.integers(0, 256, shape).astype(numpy.uint8)
    v[(v & 127) >= 124] = 0  # NaN and infinity of E5M2
    scale = numpy.array(0.5, numpy.float32)
    tensors = {"k": ("float8_e4m3fn", k), "v": ("float8_e5m2", v), "scale": ("float32", scale)}
    safetensors.serialize_file({name: safetensors.TensorSpec(dtype=dtype, shape=array.shape, data_ptr=array.ctypes.data,
                                                             data_len=array.nbytes)
                                for name, (dtype, array) in tensors.items()}, "cache.safetensors")
    return "dump: {path: cache.safetensors, k: k, v: v, scale: scale}", small_float(k, 4, 7) / 2, small_float(v, 5, 15) / 2


def integers():
    shape = (LAYERS, HEADS, TOKENS, DIM)
    k, v = (random.integers(-128, 128, shape).astype(numpy.int8) for _ in "kv")
    safetensors.numpy.save_file({"k": k, "v": v, "scale": numpy.array([0.25], numpy.float32)}, "cache.safetensors")
    return "dump: {path: cache.safetensors, k: k, v: v, scale: scale}", k / numpy.float32(4), v / numpy.float32(4)


def fortran(save):
    k, v = cache(), cache()
    save("cache.npz", k=numpy.asfortranarray(k), v=v)
    return "dump: {path: cache.npz}", k, v


CASES = {"transformers": transformers, "shards": shards, "floats_of_8_bits": floats_of_8_bits, "integers": integers,
         "fortran": lambda: fortran(numpy.savez), "fortran_deflated": lambda: fortran(numpy.savez_compressed)}

if sys.argv[1] == "write":
    source, k, v = CASES[sys.argv[2]]()
    numpy.savez("expected.npz", k=k, v=v)
    open("source.txt", "w").write(source)
else:
    expected, out = numpy.load("expected.npz"), safetensors.numpy.load_file("out.safetensors")
    for name in "kv":
        read = out[name].astype(numpy.float32)
        assert read.shape == (LAYERS, HEADS, TOKENS, DIM), f"{name} is {read.shape}"
        assert (read == expected[name]).all(), f"{(read != expected[name]).sum()} values of {name} differ"
