#!/usr/bin/env python3
"""Writes simple English in which facts stated early are asked for again late.

A damaged KV cache must cost accuracy on this text, so every document binds
people, objects, places and numbers to one another at random, tells stories in
between, and comes back to each fact several times over thousands of tokens.

Only random.Random.random() is drawn from: its sequence is the same on every
Python 3, while choice() and shuffle() have changed between versions.

    generate_text.py --seed 2 --documents 40 --long 4 > text.txt
"""
import argparse
import math
import random
import re
import sys
from dataclasses import dataclass

import words

SHORTEST, LONGEST = 6, 400  # sentences in a document, drawn log-uniformly
MOST_PEOPLE = 12
SLOT = re.compile(r"([{\[]\w+[}\]])")


@dataclass
class Fact:
    kind: str
    a: str
    b: str
    last_end: int = -1  # character at which the document last mentioned it


@dataclass
class Recall:
    """An answer text[start:end], last mentioned before that at `mentioned`."""
    kind: str
    start: int
    end: int
    mentioned: int


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


class Document:
    def __init__(self):
        self.parts, self.length, self.recalls = [], 0, []

    @property
    def text(self):
        return "".join(self.parts)

    def put(self, part):
        self.parts.append(part)
        self.length += len(part)

    def sentence(self, template, values, fact=None):
        """Appends a sentence; a slot in square brackets becomes a Recall."""
        at_start = True
        for part in SLOT.split(template):
            if SLOT.fullmatch(part):
                value = values[part[1:-1]]
                if part[0] == "[":
                    self.recalls.append(Recall(fact.kind, self.length, self.length + len(value), fact.last_end))
                self.put(value[0].upper() + value[1:] if at_start else value)
            else:
                self.put(part)
            at_start = at_start and not part
        if fact:
            fact.last_end = self.length


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


def fillers(draw, people):
    p, q = draw.sample(people, 2)
    values = {slot: draw.pick(choices) for slot, choices in words.SLOTS.items()}
    return {**values, "p": p, "q": q, "place": draw.pick(words.PLACES)}


def document(seed, sentences=None):
    """One document: most facts early, the rest on the way, recalls throughout."""
    draw = Draw(seed)
    if sentences is None:
        sentences = int(SHORTEST * math.exp(draw.random() * math.log(LONGEST / SHORTEST)))
    people = draw.sample(words.NAMES, min(MOST_PEOPLE, 2 + sentences // 12))
    untold, told = make_facts(draw, people)[:max(2, sentences // 3)], []
    out = Document()
    out.sentence("The book of {p}.\n", {"p": people[0]})
    paragraph = 0
    for i in range(sentences):
        if i:
            paragraph = 0 if draw.random() < 0.15 else paragraph + 1
            out.put(" " if paragraph else "\n")
        chance = draw.random()
        if untold and (not told or chance < (0.7 if len(told) < 4 * len(untold) else 0.1)):
            fact = untold.pop()
            told.append(fact)
            out.sentence(draw.pick(words.FACTS[fact.kind]["state"]), vars(fact), fact)
        elif chance < 0.7:
            fact = draw.pick(told)
            out.sentence(draw.pick(words.FACTS[fact.kind]["recall"]), vars(fact), fact)
        else:
            out.sentence(draw.pick(words.FILLERS), fillers(draw, people))
    out.put("\n\n")
    return out


def documents(seed, count, long=0, first=0):
    """Documents `first` .. `first + count` of a seed; the first `long` ones have the full length."""
    for i in range(first, first + count):
        yield document(seed * 10_000_000 + i, LONGEST if i < long else None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--documents", type=int, required=True)
    parser.add_argument("--long", type=int, default=0, help="how many documents at the start have the full length")
    arguments = parser.parse_args()
    for written in documents(arguments.seed, arguments.documents, arguments.long):
        sys.stdout.write(written.text)
