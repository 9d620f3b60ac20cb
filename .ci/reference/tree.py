"""The sources of the pages: the program, and comments of the code; and helpers for Markdown."""

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def give_up(text):
    sys.exit(f"reference: {text}")


def kvstone(*arguments, folder=None):
    """Output, errors and exit code of the program, the same on every terminal and with every user's settings."""
    unset = ("KVSTONE_DB", "COLUMNS", "LINES")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    ended = subprocess.run(["kvstone", *arguments], cwd=folder, env={**environment, "NO_COLOR": "1"},
                           capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return ended.stdout, ended.stderr, ended.returncode


def listed(subject):
    out, err, code_ = kvstone("list", subject, "--json")
    if code_:
        give_up(f"kvstone list {subject}: {err}")
    return json.loads(out)


def comment_head(text, mark):
    """The comment that a file begins with."""
    lines = []
    for line in text.splitlines():
        if line.startswith("#!") or line.startswith("#pragma"):
            continue
        if not line.startswith(mark):
            break
        lines.append(line[len(mark):].removeprefix(" "))
    return "\n".join(lines)


def comment_before(text, declaration):
    """The `///` comment that stands before a declaration."""
    lines = text[:text.index(declaration)].splitlines()
    comment = []
    while lines and lines[-1].strip().startswith("///"):
        comment.insert(0, lines.pop().strip().removeprefix("///").removeprefix(" "))
    if not comment:
        give_up(f"no comment before {declaration}")
    return "\n".join(comment)


def cell(value):
    if value is None or value == "":
        return ""
    if isinstance(value, float) and value == int(value):
        value = int(value)
    return str(value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def fenced(text, language="text"):
    return f"```{language}\n{text.rstrip()}\n```\n"


def code(text):
    return f"`{text}`" if text else ""


def sentence(text):
    return f"{text[0].upper()}{text[1:]}."
