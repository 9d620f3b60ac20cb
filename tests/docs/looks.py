"""Commands that are not run: their files, verbs and options have to exist, and scenarios are planned."""

import functools
import json
import os
import re
import shlex
import subprocess

from common import ROOT, complain, read, run


@functools.lru_cache(maxsize=None)
def help_of(*verb):
    ended = subprocess.run(["kvstone", *verb, "--help"], capture_output=True, text=True, check=False)
    return ended.stdout if ended.returncode == 0 else ""


@functools.lru_cache(maxsize=None)
def stages():
    ended = subprocess.run(["kvstone", "list", "stages", "--json"], capture_output=True, text=True, check=True)
    return {row["stage"] for row in json.loads(ended.stdout)}


def look_at_program(where, words, folder):
    """Words behind `kvstone`."""
    verb = [word for word in words[:2] if re.fullmatch(r"[a-z]+(-[a-z]+)*", word)]
    if not verb or not help_of(verb[0]):
        return complain(where, f"there is no verb {words[:1]}")
    if verb[0] not in ("db", "prune") or len(verb) < 2:
        verb = verb[:1]
    known = set(re.findall(r"--[a-z][a-z-]*", help_of(*verb) + help_of(verb[0])))
    for word in words:
        if word == "--":
            break
        if word.startswith("--") and word.split("=")[0] not in known:
            complain(where, f"kvstone {verb[0]} has no option {word}")
    if verb[0] == "run":
        look_at_run(where, words[1:], folder)
    return None


def look_at_run(where, words, folder):
    """What would be run is planned."""
    planned, i = [], 0
    while i < len(words):
        if words[i] in ("--set", "--only"):
            planned += words[i:i + 2]
            i += 2
        elif words[i].startswith("-"):
            i += 1 + (words[i] in ("--db", "--retry", "--grace", "--night"))
        else:
            of_tree = os.path.join(ROOT, words[i])
            planned.append(of_tree if os.path.exists(of_tree) else words[i])
            i += 1
    ended, output = run("kvstone plan " + shlex.join(planned), folder)
    # Files that the reader brings, and models that are fetched, are not here.
    if ended and not re.search(r"\./dev data|no such file|No such file", output):
        complain(where, f"cannot be planned:\n{output}")


def look_at_dev(where, words):
    """Words behind `./dev` that build or test, which no test does: `./dev help` has to tell of them."""
    usage = re.search(r"cat <<'END'\n(.*?)\nEND\n", read("dev"), re.S)[1]
    if not re.search(rf"^\./dev {re.escape(words[0])}\b", usage, re.M) and words[0] != "help":
        return complain(where, f"there is no ./dev {words[0]}")
    if words[0] in ("test", "build") and len(words) > 1:
        presets = [preset["name"] for preset in json.loads(read("CMakePresets.json"))["configurePresets"]]
        if words[1] not in presets and not re.search(rf"^\./dev {words[0]} {re.escape(words[1])}\b", usage, re.M):
            complain(where, f"./dev {words[0]} knows no {words[1]}")
        if words[1] == "codec" and words[2] not in stages():
            complain(where, f"there is no stage {words[2]}")
    return None


def look_at(where, command, folder):
    for path in re.findall(r"(?<![\w/.-])((?:scenarios|cluster|codecs|tests|harness|docs)/[\w./-]+)", command):
        if not os.path.exists(os.path.join(ROOT, path)):
            complain(where, f"there is no {path}")
    for part in re.split(r"&&|\|\||[;|]", command.replace("\\\n", " ")):
        try:
            words = shlex.split(part)
        except ValueError:  # a quote around what was split
            continue
        if words[:1] in (["podman"], ["cmake"], ["spack"]):  # the name of an image, a target or a package
            continue
        for i, word in enumerate(words):
            if word == "kvstone":
                look_at_program(where, words[i + 1:], folder)
                break
            if word == "./dev" and words[i + 1] == "run":
                look_at_program(where, ["run", *(words[i + 2:] or ["quickstart"])], folder)
                break
            if word == "./dev" and words[i + 1] not in ("kvstone", "shell"):
                look_at_dev(where, words[i + 1:])
                break
