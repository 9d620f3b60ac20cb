"""Tries what a page says."""

import os
import re
import shlex
import shutil
import tempfile

from blocks import commands_of, fences
from common import ROOT, SHORT, complain, read, run, write
from looks import look_at, look_at_dev

SCENARIO_KEYS = {"name", "sources", "grid", "workloads", "measure", "exclude", "require", "parts", "published",
                 "targets", "codecs"}
# What parts of scenarios are completed with.
DEFAULTS = {
    "sources": "sources: [synthetic: {layers: 2, heads: 4, kv_heads: 2, head_dim: 64}]\n",
    "grid": "grid: {context: [1k, 512, 2k], codec: [raw, int8]}\n",
    "workloads": "workloads: [roundtrip]\n",
}
TRACE = ("kvstone: 1\n" + DEFAULTS["sources"] +
         "grid: {context: [16], codec: [raw]}\nworkloads: [prefix_cache: {trace: trace.yaml}]\n")
# `./dev` in the folder of a page: it starts the program that was built.
DEV = """#!/bin/bash
verb=$1
shift
case $verb in
    run)
        scenario=quickstart
        if [[ $# -gt 0 && $1 != -* ]]; then scenario=$1; shift; fi
        case $(basename "$scenario" .yaml) in
            CASES
        esac
        exec kvstone run "$scenario" "$@" ;;
    kvstone) exec kvstone "$@" ;;
    shell) exec "$@" ;;
esac
"""


def try_command(where, command, comment, folder):
    try:
        words = shlex.split(command)
    except ValueError as error:
        return complain(where, f"{command}: {error}")
    if words[:1] == ["./dev"] and words[1] not in ("run", "kvstone", "shell"):
        return look_at_dev(where, words[1:])
    look_at(where, command, folder)
    wanted = [int(number) for number in re.findall(r"\d+", comment)] if comment.startswith("exit code") else [0]
    ended, output = run(command, folder)
    if ended not in wanted:
        complain(where, f"{command}\nended with {ended}, expected {wanted}:\n{output[-3000:]}")
    return None


def plan(where, file, folder):
    ended, output = run(f"kvstone plan {shlex.quote(file)}", folder)
    if ended:
        complain(where, f"the scenario cannot be planned:\n{output}")


def try_yaml(where, text, folder):
    """A scenario, a policy, a trace, or part of a scenario. Commands of workflows are looked at."""
    top = set(re.findall(r"^([a-z_]+):", text, re.M))
    name = re.search(r"^name: ([\w-]+)$", text, re.M)
    file = os.path.join(folder, f"{name[1] if name else 'part'}.yaml")
    if "gate" in top and "rules" in top:
        write(file, text)
        ended, output = run(f"kvstone gate {shlex.quote(file)} --no-store", folder)
        if ended in (2, -1):
            complain(where, output)
    elif "block_tokens" in top:
        write(os.path.join(folder, "trace.yaml"), text)
        write(file, TRACE)
        plan(where, file, folder)
    elif "kvstone" in top or (top and top <= SCENARIO_KEYS):
        if "kvstone" not in top:
            text = "kvstone: 1\n" + "".join(lines for key, lines in DEFAULTS.items() if key not in top) + text
        write(file, text)
        plan(where, file, folder)
    else:
        for command in re.findall(r"(?:- run|script): \[?(.*?)\]?(?:\s+#.*)?$", text, re.M):
            look_at(where, re.sub(r"\$\{\{.*?\}\}", "x", command), folder)


def try_page(page, prepared):
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.path.join(scratch, "page")
        shutil.copytree(prepared, folder)
        for name in ("scenarios", "cluster", "tests", "codecs"):
            os.symlink(os.path.join(ROOT, name), os.path.join(folder, name))
        cases = [f"{name}) set -- \"$@\" {shlex.join(words)} ;;" for name, words in SHORT.items()]
        write(os.path.join(folder, "dev"), DEV.replace("CASES", "\n            ".join(cases)))
        os.chmod(os.path.join(folder, "dev"), 0o755)
        for language, block, before, line in fences(read(page)):
            where = f"{page}:{line}"
            if language == "sh":
                for command, comment in commands_of(block):
                    try_command(where, command, comment, folder)
            elif language == "console":
                if not re.match(r"<!-- not run: .+ -->$", before.strip()):
                    complain(where, "the line before a block that is not run says why: <!-- not run: REASON -->")
                for command, _ in commands_of(block):
                    look_at(where, command, folder)
            elif language == "yaml":
                try_yaml(where, block, folder)
