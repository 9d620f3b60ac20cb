#!/usr/bin/env python3
"""Writes simple English in which facts stated early are asked for again late.

A damaged KV cache must cost accuracy on this text, so every document binds
people, objects, places and numbers to one another at random, tells stories in
between, and comes back to each fact several times over thousands of tokens.

Only random.Random.random() is drawn from: its sequence is the same on every
Python 3, while choice() and shuffle() have changed between versions.

    generate_text.py --seed 2 --documents 70 --long 3 > text.txt
"""
import argparse
import math
import random
import re
import sys
from dataclasses import dataclass, field

import words

SHORTEST, LONGEST = 8, 360  # sentences in a document, drawn log-uniformly
SLOT = re.compile(r"([{\[]\w+[}\]])")


@dataclass
class Fact:
    kind: str
    a: str
    b: str
    last_end: int = -1  # where the document last mentioned this fact


@dataclass
class Recall:
    """An answer [start, end) in characters; the fact was last mentioned at `mentioned`."""
    start: int
    end: int
    mentioned: int


@dataclass
class Document:
    text: str = ""
    recalls: list = field(default_factory=list)


class Draw:
    def __init__(self, seed):
        self.random = random.Random(seed).random

    def below(self, n):
        return int(self.random() * n)

    def pick(self, items):
        return items[self.below(len(items))]

    def sample(self, items, n):
        """n different items in random order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(n)]


def make_facts(draw, people):
    """Facts in random order; no value is given twice within a document."""
    objects = draw.sample(words.OBJECTS, 2 * len(people))
    towns = draw.sample(words.TOWNS, len(people))
    trades = draw.sample(words.TRADES, len(people))
    places = draw.sample(words.PLACES, len(people))
    facts = []
    for i, person in enumerate(people):
        number = "".join(str(draw.below(10)) for _ in range(4))
        facts += [Fact("carries", person, objects[2 * i]), Fact("lives", person, towns[i]),
                  Fact("number", person, number), Fact("trade", person, trades[i]),
                  Fact("stands", objects[2 * i + 1], places[i])]
    return draw.sample(facts, len(facts) - draw.below(len(people)))


def capital(text):
    return text[0].upper() + text[1:]


def sentence(document, template, values, fact=None):
    """Appends one sentence; a slot in square brackets becomes a Recall."""
    for i, part in enumerate(SLOT.split(template)):
        if not SLOT.fullmatch(part):
            document.text += part
            continue
        value = values[part[1:-1]]
        start = len(document.text)
        document.text += capital(value) if i == 1 and not template.startswith(part[0] * 2) and _starts(template, part) else value
        if part[0] == "[":
            document.recalls.append(Recall(start, len(document.text), fact.last_end))
    if fact:
        fact.last_end = len(document.text)


def _starts(template, part):
    return template.startswith(part)
