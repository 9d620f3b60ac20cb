#!/usr/bin/env python3
"""Trains the tiny model on generated text, on a CPU or a GPU, for a given time.

    train.py --minutes 6 --documents 100000 --batch-tokens 65536 --compile --out DIR

Short sequences come first, since recall is learned over short distances before
long ones; the last part runs at the full context. The learning rate follows
the share of the time that has passed.
"""
import argparse
import dataclasses
import multiprocessing
import os
import time

import numpy
import torch
import torch.nn.functional as F

import evaluate
import generate_text
import tokenizer
from model import Config, TinyModel

TRAINING_SEED = 1
STAGES = [(0.0, 512), (0.35, 1024), (0.55, 4096)]  # share of the time, sequence length


def encode_documents(job):
    """Token ids of documents first .. first + count, and where each one starts."""
    merges, first, count = job
    codec, ids, starts = tokenizer.Tokenizer(merges), [], []
    for document in generate_text.documents(TRAINING_SEED, count, first=first):
        starts.append(len(ids))
        ids += codec.encode(document.text)
    return numpy.array(ids, dtype=numpy.int16), numpy.array(starts)


def make_data(codec, documents, processes):
    jobs = [(codec.merges, first, min(500, documents - first)) for first in range(0, documents, 500)]
    with multiprocessing.Pool(processes) as pool:
        parts = pool.map(encode_documents, jobs, chunksize=1)
    offsets = numpy.cumsum([0] + [len(ids) for ids, _ in parts])
    starts = numpy.concatenate([s + offset for (_, s), offset in zip(parts, offsets)])
    return torch.from_numpy(numpy.concatenate([ids for ids, _ in parts])), torch.from_numpy(starts)


def make_batch(data, starts, batch, length):
    """Half of the windows begin with a document, so that its facts are in sight."""
    begin = torch.randint(len(data) - length, (batch,), device=data.device)
    at_document = starts[torch.randint(len(starts), (batch // 2,), device=data.device)]
    begin[:batch // 2] = at_document.clamp(max=len(data) - length - 1)
    window = data[begin[:, None] + torch.arange(length + 1, device=data.device)].long()
    return window[:, :-1], window[:, 1:]


def make_optimizer(model, rate):
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]  # norms and the planted bias: no decay
    return torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                             lr=rate, betas=(0.9, 0.95))


def learning_rate(peak, step, progress):
    warm = min(1.0, (step + 1) / 200)
    return peak * warm * (1.0 if progress < 0.4 else max(0.02, (1 - progress) / 0.6))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, required=True, help="of training, data generation not counted")
    parser.add_argument("--out", required=True, help="folder for checkpoint.pt and tokenizer.json")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--documents", type=int, default=4000)
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="that write the text")
    parser.add_argument("--compile", action="store_true", help="use torch.compile (pays on a GPU)")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    os.makedirs(arguments.out, exist_ok=True)
    sample = "".join(d.text for d in generate_text.documents(TRAINING_SEED, 400))
    codec = tokenizer.Tokenizer(tokenizer.train(sample))
    codec.save(os.path.join(arguments.out, "tokenizer.json"))
    data, starts = make_data(codec, arguments.documents, arguments.processes)
    data, starts = data.to(arguments.device), starts.to(arguments.device)
    print(f"{arguments.documents} documents, {len(data)} tokens", flush=True)

    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = True
    model = TinyModel(Config()).to(arguments.device)
    print(sum(p.numel() for p in model.parameters()), "parameters", flush=True)
    optimizer = make_optimizer(model, arguments.rate)
    run = torch.compile(model, dynamic=False) if arguments.compile else model
    half = torch.autocast(arguments.device, torch.bfloat16, enabled=arguments.device == "cuda")
    begin, step, tokens, progress, reports = time.time(), 0, 0, 0.0, 0
    while progress < 1:
        length = [length for share, length in STAGES if progress >= share][-1]
        ids, targets = make_batch(data, starts, max(2, arguments.batch_tokens // length), length)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(arguments.rate, step, progress)
        with half:
            logits = run(ids)
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if progress >= reports / 20:
            reports += 1
            recall, answers, _ = evaluate.recall_accuracy(model, codec, device=arguments.device)
            print(f"{time.time() - begin:.0f} s, step {step}, length {length}: loss {loss.item():.4f}, "
                  f"far recall {recall:.3f} of tokens, {answers:.3f} of answers", flush=True)
        step, tokens = step + 1, tokens + ids.numel()
        progress = (time.time() - begin) / (60 * arguments.minutes)
    history = {"steps": step, "tokens": tokens, "seconds": time.time() - begin, "last_loss": loss.item(),
               "documents": arguments.documents, "unique_tokens": len(data), "rate": arguments.rate,
               "batch_tokens": arguments.batch_tokens}
    print(history, flush=True)
    torch.save({"config": dataclasses.asdict(model.config), "state": model.state_dict(), "history": history},
               os.path.join(arguments.out, "checkpoint.pt"))


if __name__ == "__main__":
    main()
