#!/usr/bin/env python3
"""HellaSwag, PIQA and ARC-Easy by lm-evaluation-harness with transformers, and by our workload: the choice for each item.

Its own task definitions read our local files. The solved items that our workload compresses stand before every item there,
too. Ours are log likelihoods of the model's tasks path with codec raw (kvstone-choices); `acc` and `acc_norm` those of the
workload itself.
"""

import json
import os
import subprocess
import sys
import tempfile

import lm_eval.tasks
import theirs
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks._yaml_loader import load_yaml

from common import Table, keep, measure, options, versions

TASKS = {"piqa": "piqa", "arc_easy": "arc", "hellaswag": "hellaswag"}


def lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def local_files(chosen, task, folder):
    """(items as lm-eval's definitions know them, as they are published and we read them, our options)."""
    data = os.path.join(chosen.data, "tasks")
    ours = os.path.join(folder, f"{task}.jsonl")
    files = {"file": ours}
    if task == "hellaswag":
        # The file has `ctx` alone, of which ctx_b is a part.
        items = [{**item, "ctx_a": item["ctx"], "ctx_b": "", "label": str(item["label"])}
                 for item in lines(f"{data}/hellaswag_val_2000.jsonl")]
        published = items
    elif task == "piqa":
        published = lines(f"{data}/piqa_valid.jsonl")
        with open(f"{data}/piqa_valid-labels.lst") as labels:
            items = [{**item, "label": int(label)} for item, label in zip(published, labels)]
        files["labels"] = f"{data}/piqa_valid-labels.lst"
    else:
        published = lines(f"{data}/genmc_arc_easy_official_dev.jsonl")
        items = [{"id": item["id"], "question": item["question"]["stem"], "answerKey": item["answerKey"],
                  "choices": {part: [choice[part] for choice in item["question"]["choices"]] for part in ("text", "label")}}
                 for item in published]
    with open(ours, "w") as file:
        file.writelines(json.dumps(item) + "\n" for item in published)
    return items, files


def our_choices(chosen, model, task, files):
    items = chosen.items if model == chosen.model else min(chosen.items, chosen.exact)
    said = subprocess.run(["kvstone-choices", model, TASKS[task], files["file"], files.get("labels", "-"), str(items),
                           str(chosen.context)], capture_output=True, text=True)
    if said.returncode:
        raise SystemExit(said.stderr)
    prefix, *items = [json.loads(line) for line in said.stdout.splitlines()]
    return prefix["prefix"], [{"line": int(item["origin"].rsplit(":", 1)[1]), "gold": item["gold"],
                               "scores": [-sum(choice["nll"][-choice["tokens"]:]) for choice in item["choices"]],
                               "bytes": [choice["bytes"] for choice in item["choices"]]} for item in items]


def their_choices(lm, task, items, prefix, folder):
    path = os.path.join(folder, f"{task}.theirs.jsonl")
    with open(path, "w") as file:
        file.writelines(json.dumps(item) + "\n" for item in items)
    definition = "arc/arc_easy.yaml" if task == "arc_easy" else f"{task}/{task}.yaml"
    config = load_yaml(os.path.join(os.path.dirname(lm_eval.tasks.__file__), definition), resolve_func=True)
    config |= {"dataset_path": "json", "dataset_name": None, "training_split": None, "test_split": None,
               "dataset_kwargs": {"data_files": {"validation": path}}}
    results = simple_evaluate(lm, tasks=[config], system_instruction=prefix, bootstrap_iters=0)
    samples = sorted(results["samples"][task], key=lambda sample: sample["doc_id"])
    return results["results"][task], [[response[0] for response in sample["filtered_resps"]] for sample in samples]


def best(scores, lengths=None):
    values = [score / length for score, length in zip(scores, lengths or [1] * len(scores))]
    first, second = sorted(values)[:-3:-1]
    return values.index(first), first - second


def accuracy(items, metric):
    right = [best(item["scores"], item["bytes"] if metric == "acc_norm" else None)[0] == item["gold"] for item in items]
    return sum(right) / len(right)


def workload(chosen, task, files, folder):
    """What `kvstone run` says of the model as it is."""
    return measure(folder, task, {"model": {"gguf": chosen.model, "text": files["file"]}}, chosen.context, {"raw": "raw"},
                   {"tasks": {"protocol": "context", "task": TASKS[task], "items": chosen.items,
                              "min_context_tokens": chosen.context, **files}})


def compare(chosen, lm, task, folder):
    items, files = local_files(chosen, task, folder)
    mine = {model: our_choices(chosen, model, task, files) for model in (chosen.f32, chosen.model) if model}
    prefix, asked = mine[chosen.model]
    results, scores = their_choices(lm, task, [items[item["line"] - 1] for item in asked], prefix, folder)
    run = workload(chosen, task, files, folder) if task in chosen.workload else None
    tables = []
    for model, (_, ours) in mine.items():
        tie = 0.002 if model == chosen.f32 else chosen.tie
        table = Table(f"{task}, {len(ours)} items behind {ours[0]['line'] - 1} solved ones, {os.path.basename(model)}; what is "
                      f"nearer than {tie} nat ties")
        apart = [abs(a - b) for item, theirs_ in zip(ours, scores) for a, b in zip(item["scores"], theirs_)]
        table.add("log likelihood of a choice, mean distance", sum(apart) / len(apart), 0, digits=3)
        table.add("log likelihood of a choice, furthest apart", max(apart), 0, digits=3)
        for metric in ("acc", "acc_norm"):
            margins, tied = [0], 0
            for item, theirs_ in zip(ours, scores):
                lengths = item["bytes"] if metric == "acc_norm" else None
                choice, margin = best(theirs_, lengths)
                margin *= min(lengths) if lengths else 1
                tied += margin < tie
                if best(item["scores"], lengths)[0] != choice:
                    margins.append(margin)
            table.add(f"{metric}: items with another choice", len(margins) - 1, 0)
            table.add(f"{metric}: largest margin of theirs among these, nat", max(margins), 0, tie, digits=3)
            if model != chosen.model:
                continue
            table.add(metric, accuracy(ours, metric), results[f"{metric},none"], tied / len(ours) + 1e-9)
            if run:
                table.add(f"{metric} of the workload, beside kvstone-choices", run.value("raw", metric),
                          accuracy(ours, metric), 1e-9)
        tables.append(table)
    return tables, {"first_line": asked[0]["line"], "acc": results["acc,none"], "acc_norm": results["acc_norm,none"],
                    "log_likelihoods": [[round(value, 4) for value in item] for item in scores]}


def main():
    parser = options(__doc__)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--context", type=int, default=64, help="tokens that are compressed before each item, at least")
    parser.add_argument("--tie", type=float, default=1, help="nat, where libllama computes with Q4 weights")
    parser.add_argument("--exact", type=int, default=25, help="items that are asked of the dequantised model, too")
    parser.add_argument("--workload", nargs="*", default=["piqa"], help="tasks whose acc `kvstone run` is asked for, too")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    chosen = parser.parse_args()
    lm = HFLM(pretrained=theirs.load(chosen.model, chosen.threads), tokenizer=theirs.tokenizer(chosen.model), batch_size=8)
    broken, said = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        for task in chosen.tasks:
            tables, said[task] = compare(chosen, lm, task, folder)
            broken += sum(table.print() for table in tables)
            keep(chosen, "lm_eval_tasks", {"versions": versions("lm-eval", "transformers", "torch"),
                                           "context": chosen.context, "items": chosen.items, "tasks": said})
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
