"""Makes a Python program a codec of KVstone; its docs/external.md shows how.

    import kvstone_codec

    def encode(tensor, context):   # float32, [layer, head, token, dim]; returns bytes
        ...
    def decode(data, context):     # those bytes; returns a tensor of context.shape
        ...
    kvstone_codec.serve(encode, decode)

`context` has `component` ("k" or "v"), `shape`, and `layer`, `head` and `token`, the indices of the tensor's first ones in
the cache. encode() and decode() run in two processes. A program that imports torch is given tensors of torch, any other
one arrays of numpy; both may be returned. What the program prints goes to standard error.
"""
import json
import os
import struct
import sys
import traceback
import types

import numpy

_HEAD = struct.Struct("<4sIQ")  # magic, bytes of the header, bytes of the body


def serve(encode, decode):
    """Answers KVstone's requests until it closes the pipe."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        head = requests.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        _, header_bytes, body_bytes = _HEAD.unpack(head)
        header = json.loads(requests.read(header_bytes))
        body = bytearray(requests.read(body_bytes))
        context = types.SimpleNamespace(**header["context"])
        context.shape = tuple(context.shape)
        try:
            if header["call"] == "encode":
                answer = bytes(encode(_tensor_of(body), context))
            else:
                answer = _message_of(decode(bytes(body), context))
            text = b"{}"
        except Exception as error:
            traceback.print_exc()
            text, answer = json.dumps({"error": f"{type(error).__name__}: {error}"}).encode(), b""
        answers.write(_HEAD.pack(b"KVX1", len(text), len(answer)) + text)
        answers.write(answer)
        answers.flush()


def _tensor_of(message):
    """The tensor of a safetensors message."""
    start = 8 + int.from_bytes(message[:8], "little")
    entry = json.loads(message[8:start])["values"]
    array = numpy.frombuffer(message, "<f4", offset=start).reshape(entry["shape"])
    torch = sys.modules.get("torch")
    return torch.from_numpy(array) if torch else array


def _message_of(tensor):
    """A safetensors message of the tensor."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().float().numpy()
    data = numpy.ascontiguousarray(tensor, "<f4")
    entry = {"dtype": "F32", "shape": data.shape, "data_offsets": [0, data.nbytes]}
    header = json.dumps({"values": entry}).encode()
    return len(header).to_bytes(8, "little") + header + data.tobytes()
