"""Byte-level BPE with 512 tokens, as llama.cpp's "gpt2" model with pre "gpt-2" reads it.

Every byte is a token, so any text round trips. Digits never merge: a number is
recalled digit by digit. Ties in training are broken by the pair itself, so the
same text gives the same merges everywhere.
"""
import collections
import json
import re

END_OF_TEXT = "<|endoftext|>"
# The pre-tokenizer of GPT-2; [^\W\d_] stands for \p{L}.
WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def byte_names():
    """GPT-2's printable stand-in for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names = {byte: chr(byte) for byte in plain}
    rest = (byte for byte in range(256) if byte not in names)
    names.update({byte: chr(256 + i) for i, byte in enumerate(rest)})
    return [names[byte] for byte in range(256)]


BYTE_NAMES = byte_names()


def spelled(word):
    return tuple(BYTE_NAMES[byte] for byte in word.encode())


def merge(symbols, pair):
    merged, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i:i + 2]) == pair:
            merged.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return tuple(merged)


def train(text, vocabulary=512):
    """The merges, most frequent pair first."""
    counts = collections.Counter(WORD.findall(text))
    spellings = {spelled(word): n for word, n in sorted(counts.items()) if not re.search(r"\d", word)}
    merges = []
    while len(merges) < vocabulary - 257:
        pairs = collections.Counter()
        for symbols, n in spellings.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += n
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        spellings = {merge(symbols, best): n for symbols, n in spellings.items()}
    return merges


class Tokenizer:
    def __init__(self, merges):
        self.merges = [tuple(pair) for pair in merges]
        self.tokens = [END_OF_TEXT, *BYTE_NAMES, *("".join(pair) for pair in self.merges)]
        self.rank = {pair: i for i, pair in enumerate(self.merges)}
        self.id = {token: i for i, token in enumerate(self.tokens)}
        self.known = {}

    def encode_word(self, word):
        symbols = spelled(word)
        while len(symbols) > 1:
            best = min(zip(symbols, symbols[1:]), key=lambda pair: self.rank.get(pair, len(self.rank)))
            if best not in self.rank:
                break
            symbols = merge(symbols, best)
        return [self.id[symbol] for symbol in symbols]

    def encode(self, text):
        ids = []
        for word in WORD.findall(text):
            if word not in self.known:
                self.known[word] = self.encode_word(word)
            ids += self.known[word]
        return ids

    def decode_bytes(self, ids):
        value = {name: byte for byte, name in enumerate(BYTE_NAMES)}
        return bytes(value[character] for i in ids if i for character in self.tokens[i])

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"merges": self.merges}, file, ensure_ascii=True, indent=0)

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            return cls(json.load(file)["merges"])
