"""The small world's vocabulary, all of it our own writing; words.json holds it, and KVstone's recall tasks read it, too.

Names and towns are put together from syllables and objects from an adjective
and a noun, so that there are hundreds of each: which one comes next cannot be
guessed from the grammar, only remembered from the context.

FACTS: a fact binds a subject {a} to a value {b}. In an answer the slot to be
recalled stands in square brackets; everything needed to find it comes before.
FILLERS: story between the facts; {p} and {q} are people of the document.
"""
import json
import os

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "words.json"), encoding="utf-8") as file:
    WORDS = json.load(file)


def joined(kind, form):
    first, second = (WORDS[part] for part in kind)
    return [form.format(start, end) for start in first for end in second]


NAMES = joined(("name_starts", "name_ends"), "{}{}")
TOWNS = joined(("town_starts", "town_ends"), "{}{}")
OBJECTS = joined(("object_adjectives", "object_nouns"), "the {} {}")
PLACES = joined(("place_adjectives", "place_nouns"), "the {} {}")
TRADES, FACTS, FILLERS, SLOTS = (WORDS[kind] for kind in ("trades", "facts", "fillers", "slots"))
