#!/usr/bin/env python3
"""Our perplexity, KLD and HellaSwag beside those of llama-perplexity, on the same file, text, windows and items."""

import json
import math
import os
import re
import subprocess
import sys
import tempfile

import numpy

from common import Table, finish, keep, measure, options, text_file

TYPES = {"q8_0": "q8_0", "q5_1": "q5_1", "q4_0": "q4_0"}
WINDOW = 512


def tool(chosen, arguments, wanted, count):
    """The first `count` matches in what it says. Its log can lose its end: then it is asked again."""
    command = ["llama-perplexity", "-m", chosen.model, "-t", str(chosen.threads), *arguments]
    for _ in range(4):
        said = subprocess.run(command, capture_output=True, text=True, errors="replace",
                              env={**os.environ, "LLAMA_ATTN_ROT_DISABLE": "1"})
        text = said.stdout + said.stderr
        found = re.findall(wanted, text, re.M)
        if len(found) >= count:
            return found[:count]
    raise SystemExit(f"{' '.join(command)}\n{text[-3000:]}")


def cache(kind):
    return ["-ctk", kind, "-ctv", kind, "-fa", "off" if kind == "f32" else "on"]


def version():
    said = subprocess.run(["llama-perplexity", "--version"], capture_output=True, text=True)
    return re.search(r"version: (.*)", said.stdout + said.stderr)[1]


def windows(chosen, kind, *more):
    return ["-f", text_file(chosen), "-c", str(WINDOW), "-b", str(WINDOW), "--chunks", str(chosen.windows + 1),
            *cache(kind), *more]


def perplexity(chosen, kind):
    """The running estimate behind each window."""
    found = tool(chosen, windows(chosen, kind), r"\[(\d+)\](\d+\.\d+)", chosen.windows)
    return [float(value) for _, value in found]


def kld(chosen, kind, base):
    """Of each window, running: PPL, KLD, share of windows' tokens with the same most likely token. The ratio to the PPL of the
    base that the tool prints is left aside: its file keeps 16 bits of a log probability, which moves that PPL by 0.2%."""
    rows = tool(chosen, windows(chosen, kind, "--kl-divergence", "--kl-divergence-base", base), r"^\s*(\d+)\s+(\d.*±.*)$",
                chosen.windows)
    each = [[float(part) for part in re.findall(r"(-?\d+\.\d+(?:e-?\d+)?)\s+±", row)] for _, row in rows]
    # Columns: PPL, ln(PPL(Q)/PPL(base)), KLD, RMS of the difference in p, same top token in percent.
    return {"ppl": [row[0] for row in each], "kld": [row[2] for row in each],
            "same_top": [round(row[4] / 100, 6) for row in each]}


def hellaswag_items(chosen, folder):
    """(its form, ours) of the same items."""
    with open(os.path.join(chosen.data, "tasks", "hellaswag_val_2000.jsonl")) as file:
        items = [json.loads(line) for line, _ in zip(file, range(chosen.items))]

    def clean(text):
        return " ".join(re.sub(r"\[.*?\]", "", text.replace(" [title]", ". ")).split())

    theirs, ours = os.path.join(folder, "hellaswag.txt"), os.path.join(folder, "hellaswag.jsonl")
    with open(theirs, "w") as text, open(ours, "w") as lines:
        for item in items:
            item = {"activity_label": clean(item["activity_label"]), "ctx_a": clean(item["ctx"]), "ctx_b": "",
                    "endings": [clean(ending) for ending in item["endings"]], "label": int(item["label"])}
            text.write("\n".join([f"{item['activity_label']}: {item['ctx_a']}", str(item["label"]), *item["endings"]]) + "\n")
            lines.write(json.dumps(item) + "\n")
    return theirs, ours


def mean_of_endings(choices):
    """As the tool scores: the mean over an ending's tokens behind those that all endings share."""
    ids = [choice["ids"] for choice in choices]
    shared = next(i for i, column in enumerate(zip(*ids)) if len(set(column)) > 1)
    return [-sum(choice["nll"][shared - 1:]) / len(choice["nll"][shared - 1:]) for choice in choices]


def drawn_order(count):
    """The order in which the tool takes items: std::mt19937(1) and libstdc++'s std::uniform_int_distribution."""
    generator, left, order = numpy.random.RandomState(1)._bit_generator, list(range(count)), []
    while left:
        product = int(generator.random_raw()) * len(left)
        while product % 2**32 < 2**32 % len(left):
            product = int(generator.random_raw()) * len(left)
        order.append(left.pop(product >> 32))
    return order


def their_answers(chosen, file):
    """Whether each item is answered rightly, in the order of the file."""
    steps = tool(chosen, ["-f", file, "--hellaswag", "--hellaswag-tasks", str(chosen.items), *cache("f32")],
                 r"^(\d+)\s+(\d+\.\d+)%?", chosen.items)
    counts = [0] + [round(float(share) / 100 * int(place)) for place, share in steps]
    right = dict(zip(drawn_order(chosen.items), (after - before for before, after in zip(counts, counts[1:]))))
    return [right[i] for i in range(chosen.items)]


def hellaswag(chosen, folder):
    table = Table(f"HellaSwag, the first {chosen.items} items, nothing before them, mean log likelihood of tokens")
    theirs_file, ours_file = hellaswag_items(chosen, folder)
    theirs = their_answers(chosen, theirs_file)
    said = subprocess.run(["kvstone-choices", chosen.model, "hellaswag", ours_file, "-", str(chosen.items), "0"],
                          capture_output=True, text=True)
    if said.returncode:
        raise SystemExit(said.stderr)
    right, tied, other = 0, 0, 0
    for item, their in zip((json.loads(line) for line in said.stdout.splitlines() if "gold" in line), theirs):
        scores = mean_of_endings(item["choices"])
        gold = scores.pop(item["gold"])
        right += gold > max(scores)
        tied += abs(gold - max(scores)) < chosen.tie
        other += (gold > max(scores)) != bool(their) and abs(gold - max(scores)) >= chosen.tie
    table.add("accuracy", right / len(theirs), sum(theirs) / len(theirs), tied / len(theirs) + 1e-9)
    table.add(f"items answered otherwise ({tied} within {chosen.tie} nat a token left out)", other, 0, 0)
    keep(chosen, "llama_hellaswag", {"version": version(), "items": chosen.items, "accuracy": sum(theirs) / len(theirs), "right": theirs})
    return table


def main():
    parser = options(__doc__)
    parser.add_argument("--windows", type=int, default=10, help=f"of {WINDOW} tokens, the second half of each scored")
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--tie", type=float, default=0.01, help="nat a token")
    parser.add_argument("--only", choices=["text", "hellaswag"])
    chosen = parser.parse_args()
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        if chosen.only != "hellaswag":
            tables += texts(chosen, folder)
        if chosen.only != "text":
            tables.append(hellaswag(chosen, folder))
    finish(tables)


def texts(chosen, folder):
    ours = measure(folder, "texts", {"model": {"gguf": chosen.model, "text": text_file(chosen)}}, WINDOW // 2,
                   {"raw": "raw", "fp16": "fp16", **TYPES}, {"model": {"protocol": "inline", "passages": chosen.windows}})
    table = Table(f"perplexity, {chosen.windows} windows of {WINDOW}; q8_0, q5_1, q4_0: log ratio to the plain cache, "
                  "limit two standard errors of ours")
    plain = perplexity(chosen, "f32")
    table.add("raw, ppl", ours.value("raw", "ppl"), plain[-1], 0.001, relative=True, digits=7)
    divergences = Table("KLD to the plain cache, nat; its base file keeps logits in 16 bits, its attention quantises Q, too")
    base = os.path.join(folder, "base.kld")
    tool(chosen, windows(chosen, "f32", "--kl-divergence-base", base), r"\[(\d+)\](\d+\.\d+)", chosen.windows)
    said = {}
    for name, kind in {"fp16": "f16", **TYPES}.items():
        theirs = said[kind] = kld(chosen, kind, base)
        delta = ours.value(name, "ppl_delta_percent") / 100
        table.add(f"{name}, ppl", ours.value(name, "ppl"), theirs["ppl"][-1], digits=7)
        table.add(f"{name}, log ratio", math.log1p(delta), math.log(theirs["ppl"][-1] / plain[-1]),
                  ours.two_errors(name, "ppl_delta_percent") / 100)
        divergences.add(f"{name}, mean KLD", ours.value(name, "kld_mean"), theirs["kld"][-1], 0.15, relative=True)
        divergences.add(f"{name}, same top token", ours.value(name, "top1_agreement"), theirs["same_top"][-1])
    keep(chosen, "llama_texts", {"version": version(), "window": WINDOW, "windows": chosen.windows, "ppl": plain, "caches": said})
    return [table, divergences]


if __name__ == "__main__":
    sys.exit(main())
