"""Pages as blocks of code, and blocks as commands."""

import re
import shlex


def fences(text):
    """(language, content, the line before it, line number) of each block of code."""
    lines = text.splitlines()
    i = 0
    while i < len(lines):
        opened = re.match(r"^(\s*)```(\w*)\s*$", lines[i])
        if opened:
            end = i + 1
            while end < len(lines) and lines[end].strip() != "```":
                end += 1
            cut = len(opened[1])
            content = "\n".join(line[cut:] for line in lines[i + 1:end]) + "\n"
            yield opened[2], content, lines[i - 1] if i else "", i + 1
            i = end
        i += 1


def commands_of(block):
    """The commands of a block, each with what its comment says; lines that begin with blanks go on."""
    commands = []
    for line in block.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if commands and (line.startswith(" ") or commands[-1].endswith("\\")):
            commands[-1] += "\n" + line
        else:
            commands.append(line)
    return [split_comment(command) for command in commands]


def split_comment(command):
    """A command and the comment behind it, which no quotes are around."""
    for mark in re.finditer(r"\s+# ", command):
        try:
            shlex.split(command[:mark.start()])
            return command[:mark.start()], command[mark.end():]
        except ValueError:
            continue
    return command, ""
