"""Pages of `kvstone list`: stages with their format pages, codecs, metrics, workloads, sources, models, the schema."""

import os
import re

from tree import ROOT, code, comment_head, fenced, give_up, listed, read, sentence, table


def stage_files():
    """Of each stage the name of its file and the comment that the file begins with."""
    files = {}
    for name in sorted(os.listdir(os.path.join(ROOT, "codecs", "stages"))):
        if name.endswith(".cpp"):
            text = read("codecs", "stages", name)
            page = comment_head(text, "//")
            names = [stage.strip() for stage in page.split(":", 1)[0].split(",")]
            for stage in names + re.findall(r'info\.name = "(\w+)"', text):
                files[stage] = (name, page)
    return files


def option_line(option):
    """Of `name=accepted (default): help`."""
    accepted, _, meaning = option.partition(": ")
    return f"- `{accepted}`: {meaning or accepted}\n"


def stages():
    files = stage_files()
    rows = listed("stages")
    text = "# Stages\n\nA [codec](../codecs.md) is made of stages: transforms, one quantiser, entropy stages;\na selector stands in front of a whole codec.\n\n"
    text += table(["stage", "kind", "access", "needs", "summary"],
                  [(f"[{row['stage']}](#{row['stage']})", row["kind"], row["access"], row["needs"], row["summary"])
                   for row in rows])
    text += ("\nAccess says how many tokens are coded together: `token` one, `page` a group, `whole` all of them. "
             "Caches that grow take the first two alone.\n")
    shown = {}
    for row in rows:
        name = row["stage"]
        if name not in files:
            give_up(f"no file of codecs/stages begins with '// {name}: '")
        file, page = files[name]
        text += f"\n## {name}\n\n{sentence(row['summary'])} Source: {row['source']}.\n"
        options = [part for part in re.split(r", (?=[a-z_0-9]+=)", row["options"] or "") if part]
        text += "\n" + "".join(map(option_line, options)) if options else ""
        if file in shown:
            text += f"\nIts format stands at [{shown[file]}](#{shown[file]}).\n"
        else:
            shown[file] = name
            text += f"\n{fenced(page)}"
    return text


def codecs():
    text = ("# Codecs and the nearest settings of engines\n\nPresets and codecs of papers come first, then one codec for "
            "each stage. Each names the setting of vLLM, SGLang, LMCache and llama.cpp that comes nearest, and how it "
            "differs. `kvstone list codecs` prints the same.\n")
    for row in listed("codecs"):
        summary, ends, stands_for = row["summary"].rpartition("): ")
        text += f"\n## `{row['codec']}`\n\n{sentence(summary + ')' if ends else row['summary'])}\n"
        text += f"\n`{stands_for}`\n" if ends else ""
        if not row["nearest in engines"]:
            text += "\nNeeds a file of `kvstone calibrate`.\n"
            continue
        text += "\n"
        for engine in row["nearest in engines"].split("; "):
            name, _, setting = engine.partition(": ")
            text += f"- {engine}\n" if setting in ("", "none", "no serde") else f"- {name}: `{setting}`\n"
        text += f"\nDifferences: {row['differences']}.\n"
    return text


def metrics():
    text = ("# Metrics\n\nDeterministic figures are equal to the last digit for any number of threads. The last column "
            "says how the figure of K and V together is made.\n\n")
    keys = ["unit", "better", "deterministic", "formula", "kv"]
    return text + table(["metric", *keys[:-1], "of K and V"],
                        [(code(row["metric"]), *(row[key] for key in keys)) for row in listed("metrics")])


def in_sections(title, rows, heads, line):
    """A section for each row whose second value is null, with a table of the rows behind it."""
    text, lines = title, []

    def flush():
        return "\n" + table(heads, lines) if lines else ""

    for row in rows:
        values = list(row.values())
        if values[1] is None:
            text += flush() + f"\n## {values[0]}\n\n{sentence(values[-1].rstrip('.'))}\n"
            lines = []
        else:
            lines.append(line(values))
    return text + flush()


def workloads():
    def line(values):
        _, option, by_default, meaning = values
        name, colon, accepted = option.partition(":")
        return code(name) + colon + accepted, "required" if by_default is None else code(by_default), meaning

    return in_sections("# Workloads and their options\n\n[Measuring](../measuring.md) says how each of them works.\n",
                       listed("workloads"), ["option", "default", "meaning"], line)


def schema():
    return in_sections("# Tables and views\n\n[The database](../database.md) says how to ask it.\n", listed("schema"),
                       ["column", "content"], lambda values: (code(values[1]), values[2]))


def sources():
    keys = ["layers", "heads", "kv_heads", "head_dim", "rope_base", "latent"]
    text = ("# Sources\n\n[Scenarios](../scenarios.md#sources) explains them, and [the keys](scenario-keys.md) list "
            "their members.\n\n")
    return text + table(["source", *keys],
                        [(code(row["source"]), *(row[key] for key in keys)) for row in listed("sources")])


def models():
    rows = listed("models")
    text = ("# Models whose caches are known\n\n`kvstone size NAME` knows these models by name. `growth_bytes_f16` are "
            "the bytes that a token adds in 16 bits.\n\n")
    return text + table(list(rows[0]), [row.values() for row in rows])


def scenarios():
    text = "# Shipped scenarios\n\n`kvstone run NAME` runs them; `kvstone plan NAME` shows their cells.\n"
    for row in listed("scenarios"):
        head = comment_head(read("scenarios", "library", os.path.basename(row["file"])), "#")
        text += f"\n## {row['scenario']}\n\n{fenced(head)}"
    return text
