"""Pages of the command line: `--help` of all verbs, exit codes, and ./dev."""

import re

from tree import fenced, give_up, kvstone, read, table


def help_of(*verb):
    out, err, code_ = kvstone(*verb, "--help")
    if code_:
        give_up(f"{' '.join(verb)} --help: {err}")
    return "\n".join(line.rstrip() for line in out.strip().splitlines())


def verbs_of(text):
    below = text.partition("SUBCOMMANDS:")[2].strip("\n").partition("\n\n")[0]
    return re.findall(r"^  ([a-z]+(?:-[a-z]+)*)\b", below, re.M)


def commands():
    top = help_of()
    text = f"# The command line\n\n{fenced(top)}"
    for verb in verbs_of(top):
        own = help_of(verb)
        text += f"\n## kvstone {verb}\n\n{fenced(own)}"
        for sub in verbs_of(own):
            text += f"\n### kvstone {verb} {sub}\n\n{fenced(help_of(verb, sub))}"
    return text


def exit_codes():
    footer = " ".join(help_of().partition("Exit codes:")[2].partition("\n\n")[0].split()).rstrip(".")
    rows = re.findall(r"(\d+) (.*?)(?:, (?=\d)|$)", footer)
    if len(rows) < 5:
        give_up("`kvstone --help` does not tell the exit codes")
    return ("# Exit codes\n\n" + table(["code", "meaning"], rows) +
            "\nWhere several hold, the program ends with the first of 2, 1, 4, 5, 3. An interruption stands above them "
            "all.\n")


def dev():
    usage = re.search(r"cat <<'END'\n(.*?)\nEND\n", read("dev"), re.S)[1]
    return f"# `./dev`\n\n`./dev` builds, tests and runs KVstone.\n\n{fenced(usage)}"
