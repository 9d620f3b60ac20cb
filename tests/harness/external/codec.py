"""A codec for tests, of Python's standard library alone: values as binary16. Its argument says how it misbehaves."""
import array
import json
import os
import signal
import struct
import sys
import time

how = sys.argv[1]
requests, answers = os.fdopen(0, "rb"), os.fdopen(1, "wb")
kept = []


def send(body, header=b"{}"):
    answers.write(struct.pack("<4sIQ", b"KVX1", len(header), len(body)) + header + body)
    answers.flush()


def safetensors(values, shape):
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * len(values)]}
    header = json.dumps({"values": entry}).encode()
    return struct.pack("<Q", len(header)) + header + array.array("f", values).tobytes()


def misbehave(call):
    """What goes wrong when this call comes; `how` is "CALL.FAULT"."""
    if how == call + ".exit":
        print("the last words", file=sys.stderr, flush=True)
        sys.exit(3)
    if how == call + ".segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == call + ".hang":
        print("waiting for ever", file=sys.stderr, flush=True)
        time.sleep(1000)
    if how == call + ".garbage":
        answers.write(b"Hello, this is my codec\n")
        answers.flush()
        time.sleep(1000)
    if how == call + ".partial":
        answers.write(struct.pack("<4sIQ", b"KVX1", 2, 1000) + b"{}1234567890")
        answers.flush()
        sys.exit(0)
    if how == call + ".noise":
        for _ in range(3000):
            print("x" * 1000, file=sys.stderr)
        print("end of the noise", file=sys.stderr, flush=True)
    if how == call + ".error":
        send(b"", json.dumps({"error": "ValueError: no such thing"}).encode())
        return True
    if how == call + ".fork":
        if os.fork() == 0:
            with open(sys.argv[2], "w") as file:
                print(os.getpid(), file=file)
            time.sleep(1000)
        while not os.path.exists(sys.argv[2]) or not open(sys.argv[2]).read():
            time.sleep(0.01)
        sys.exit(0)
    if how == call + ".helper" and not kept:
        kept.append(0)
        if os.fork() == 0:  # in a session of its own, with our pipes
            os.setsid()
            with open(sys.argv[2], "a") as file:
                print(os.getpid(), file=file)
            time.sleep(1000)
    return False


while True:
    head = requests.read(16)
    if len(head) < 16:
        break
    _, header_bytes, body_bytes = struct.unpack("<4sIQ", head)
    header = json.loads(requests.read(header_bytes))
    body = requests.read(body_bytes)
    shape = header["context"]["shape"]
    count = shape[0] * shape[1] * shape[2] * shape[3]
    if misbehave(header["call"]):
        continue
    if header["call"] == "encode":
        values = array.array("f", body[8 + struct.unpack("<Q", body[:8])[0]:])
        if how == "cheat":
            kept = values
            send(b"1")
        elif how == "large":
            send(bytes(4 * count + 65537))
        elif how == "empty":
            send(b"")
        elif how == "mixes":  # a scale for all tokens
            largest = max(abs(value) for value in values)
            send(struct.pack(f"<f{count}b", largest, *(round(value / largest * 100) for value in values)))
        elif how == "fragile":  # ends over bytes that it did not write
            half = struct.pack(f"<{count}e", *values)
            send(half + struct.pack("<I", sum(half)))
        else:
            send(struct.pack(f"<{count}e", *values))
    else:
        if how == "cheat":
            values = kept if len(kept) == count else [0.0] * count
        elif how == "empty":
            values = [0.0] * count
        elif how == "mixes":
            largest, *codes = struct.unpack(f"<f{count}b", body)
            values = [largest * code / 100 for code in codes]
        elif how == "fragile":
            if struct.pack("<I", sum(body[:-4])) != body[-4:]:
                sys.exit(5)
            values = list(struct.unpack(f"<{count}e", body[:-4]))
        else:
            values = list(struct.unpack(f"<{count}e", body))
        if how == "size":
            shape = shape[:2] + [shape[2] - 1, shape[3]]
            values = values[:shape[0] * shape[1] * shape[2] * shape[3]]
        if how == "nan":
            values[count // 2] = float("nan")
        send(safetensors(values, shape))
