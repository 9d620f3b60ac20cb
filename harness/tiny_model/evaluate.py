#!/usr/bin/env python3
"""The model card's figures: perplexity, recall, K and V, clean and with a damaged cache.

    evaluate.py DIR text.txt
"""
import itertools
import os
import sys

import torch
import torch.nn.functional as F

import generate_text
import model
import tokenizer

EVALUATION_SEED = 3
FAR = 500  # a recall is far when its fact was last mentioned more than this many tokens before


@torch.no_grad()
def perplexity(trained, ids, context, change=None):
    """As llama-perplexity: whole windows, the second half of each is scored."""
    total, count, first = 0.0, 0, context // 2
    for begin in range(0, len(ids) - context + 1, context):
        window = ids[begin:begin + context][None]
        logits = trained(window, change)[0, first:-1]
        total += F.cross_entropy(logits, window[0, first + 1:], reduction="sum").item()
        count += context - 1 - first
    return torch.tensor(total / count).exp().item()


def far_answers(codec, document, ids):
    """(first, end) token ranges of the answers whose fact lies far back."""
    lengths = [len(codec.decode_bytes([i])) for i in ids]  # the text is ASCII: bytes are characters
    ends = list(itertools.accumulate(lengths))

    def token_at(character):
        return next(i for i, end in enumerate(ends) if end > character)

    for recall in document.recalls:
        if recall.end <= ends[-1] and token_at(recall.start) - token_at(recall.mentioned) > FAR:
            yield token_at(recall.start), token_at(recall.end - 1) + 1


@torch.no_grad()
def recall_accuracy(trained, codec, count=4, change=None, device="cpu"):
    """Top-1 over teacher-forced answer tokens, share of answers right in every token, and their number."""
    right, tokens, whole, answers = 0, 0, 0, 0
    for document in generate_text.documents(EVALUATION_SEED, count, long=count):
        ids = codec.encode(document.text)[:trained.config.context]
        inputs = torch.tensor(ids, device=device)
        hit = (trained(inputs[None], change)[0, :-1].argmax(1) == inputs[1:]).tolist()
        for first, end in far_answers(codec, document, ids):
            hits = hit[first - 1:end - 1]
            right, tokens = right + sum(hits), tokens + len(hits)
            whole, answers = whole + all(hits), answers + 1
    return right / tokens, whole / answers, answers


@torch.no_grad()
def recall_without_the_fact(trained, codec, count=4, visible=FAR):
    """The same answers when only the last `visible` tokens before them are given: the level of guessing."""
    right, tokens, whole, answers = 0, 0, 0, 0
    for document in generate_text.documents(EVALUATION_SEED, count, long=count):
        ids = codec.encode(document.text)[:trained.config.context]
        for first, end in far_answers(codec, document, ids):
            inputs = torch.tensor(ids[max(0, first - visible):end])
            hits = (trained(inputs[None])[0, :-1].argmax(1) == inputs[1:])[first - end:].tolist()
            right, tokens = right + sum(hits), tokens + len(hits)
            whole, answers = whole + all(hits), answers + 1
    return right / tokens, whole / answers, answers


def uniform(x, bits):
    """Asymmetric quantisation with one scale for the tensor: crude on purpose."""
    low, high = x.min(), x.max()
    scale = (high - low) / (2 ** bits - 1)
    return ((x - low) / scale).round() * scale + low


def uniform_by_channel(x, bits):
    low, high = x.amin(2, keepdim=True), x.amax(2, keepdim=True)
    scale = (high - low).clamp(min=1e-8) / (2 ** bits - 1)
    return ((x - low) / scale).round() * scale + low


def noisy(x):
    generator = torch.Generator().manual_seed(0)
    return x + x.std() * torch.randn(x.shape, generator=generator)


DAMAGES = {
    "clean": None,
    "K 4 bits per tensor": lambda k, v: (uniform(k, 4), v),
    "K 3 bits per tensor": lambda k, v: (uniform(k, 3), v),
    "K 2 bits per tensor": lambda k, v: (uniform(k, 2), v),
    "K 4 bits per channel": lambda k, v: (uniform_by_channel(k, 4), v),
    "K 2 bits per channel": lambda k, v: (uniform_by_channel(k, 2), v),
    "V 2 bits per tensor": lambda k, v: (k, uniform(v, 2)),
    "K and V 4 bits per tensor": lambda k, v: (uniform(k, 4), uniform(v, 4)),
    "K with noise of its own size": lambda k, v: (noisy(k), v),
    "K zero": lambda k, v: (torch.zeros_like(k), v),
}


def print_statistics(trained, ids):
    def show(k, v):
        rms = k.square().mean(2).sqrt().flatten()
        print(f"K channel RMS max/median {rms.max() / rms.median():.1f}, median {rms.median():.2f}, "
              f"max |K| {k.abs().max():.1f}, RMS of V {v.square().mean().sqrt():.2f}, max |V| {v.abs().max():.1f}")
        return k, v

    with torch.no_grad():
        trained(ids[None], show)


def main():
    folder, text = sys.argv[1:]
    trained, saved = model.load(os.path.join(folder, "checkpoint.pt"))
    codec = tokenizer.Tokenizer.load(os.path.join(folder, "tokenizer.json"))
    with open(text, encoding="utf-8") as file:
        ids = torch.tensor(codec.encode(file.read()))
    print(f"{len(ids)} tokens in {text}; training: {saved['history']}")
    for parameter in trained.parameters():  # as stored in the GGUF
        if parameter.dim() == 2:
            parameter.data = parameter.data.half().float()
    for context in (512, 2048, 4096):
        print(f"perplexity at context {context}: {perplexity(trained, ids, context):.4f}", flush=True)
    print_statistics(trained, ids[:2048])
    print("guessing: token %.3f, answer %.3f of %d" % recall_without_the_fact(trained, codec))
    for name, change in DAMAGES.items():
        print(f"{name}: perplexity at 2048 {perplexity(trained, ids[:8 * 2048], 2048, change):.3f}, recall token "
              "%.3f, answer %.3f of %d" % recall_accuracy(trained, codec, change=change), flush=True)


if __name__ == "__main__":
    main()
