"""Files and databases that commands of the pages work on: small ones, under the names that the pages use."""

import json
import os
import shlex
import shutil

from common import ROOT, SHORT, complain, read, run, write

MINE = """kvstone: 1
name: mine
sources: [synthetic: {layers: 2, heads: 4, kv_heads: 2, head_dim: 64}]
grid: {context: [256], codec: [raw, fp16, int8]}
workloads: [roundtrip]
measure: {min_time: 1 ms, warm_up: 1 ms, repetitions: 1}
"""
ITEMS = range(20)


def lines_of(values):
    return "".join(json.dumps(value) + "\n" for value in values)


FILES = {
    "mine.yaml": MINE,
    "mine.py": "import kvstone_codec\n",  # is named, and nowhere run
    "nightly.yaml": MINE.replace("name: mine", "name: nightly"),
    "conversation_trace.jsonl": lines_of(
        {"timestamp": 1000 * i, "input_length": 1024, "output_length": 8, "hash_ids": [i % 3, 3 + i % 3]}
        for i in ITEMS),
    "valid.jsonl": lines_of({"goal": f"To reach house {i},", "sol1": "walk.", "sol2": "eat a shoe."} for i in ITEMS),
    "valid-labels.lst": "0\n" * len(ITEMS),
    "ARC-Easy-Dev.jsonl": lines_of(
        {"id": str(i), "answerKey": "A",
         "question": {"stem": f"Who lives in house {i}?",
                      "choices": [{"text": "a man", "label": "A"}, {"text": "a stone", "label": "B"}]}} for i in ITEMS),
}


def prepare(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "cache"))
    for name, text in FILES.items():
        write(os.path.join(folder, name), text)
    tiny = os.path.join(ROOT, "harness", "tiny_model")
    shutil.copy(os.path.join(tiny, "tiny.gguf"), os.path.join(folder, "model.gguf"))
    shutil.copy(os.path.join(tiny, "text.txt"), os.path.join(folder, "text.txt"))
    write(os.path.join(folder, "other.txt"), read("harness", "tiny_model", "text.txt")[100_000:])
    short = {name: shlex.join(words) for name, words in SHORT.items()}
    for command in [
            "kvstone dump 'model: {gguf: tiny, text: builtin}' --context 1024 -o cache.safetensors",
            "kvstone run nightly.yaml --db base.db",
            "kvstone run nightly.yaml --db head.db",
            "kvstone run nightly.yaml --night first --db nightly.db",
            "kvstone run nightly.yaml --night second --db nightly.db",
            f"kvstone run model-quality {short['model-quality']} --set sources.0.model.gguf=\"$PWD/model.gguf\" "
            "--set sources.0.model.text=\"$PWD/text.txt\"",
            "kvstone run mine.yaml",
            f"kvstone run quickstart {short['quickstart']}"]:
        ended, output = run(command, folder)
        if ended:
            complain("prepare", f"{command} ended with {ended}\n{output}")
