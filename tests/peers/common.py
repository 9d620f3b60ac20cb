"""What the comparisons share: their options, our program's figures, tables of both sides, and what is kept of the others."""

import argparse
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def options(description):
    """--model, --f32, --data, --golden and --threads; scripts add their own."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", default=os.path.join(cache, "kvstone", "data", "smollm2.gguf"), help="the GGUF file")
    parser.add_argument("--f32", help="the same weights dequantised (tests/peers/run makes the file)")
    parser.add_argument("--data", default=os.environ.get("KVSTONE_TEST_DATA", "../shared/data"), help="texts and tasks")
    parser.add_argument("--golden", help="a folder that gets what the others said")
    parser.add_argument("--threads", type=int, default=2)
    return parser


def text_file(chosen):
    return os.path.join(chosen.data, "text", "wikitext2_test.txt")


class Table:
    """what | ours | theirs | difference | limit | ok; `relative` differences are of theirs."""

    def __init__(self, title):
        self.title, self.rows, self.broken = title, [], 0

    def add(self, what, ours, theirs, limit=None, relative=False, digits=5, note=""):
        difference = (ours - theirs) / (abs(theirs) or 1) if relative else ours - theirs
        percent = (lambda x: f"{100 * x:.3g}%") if relative else (lambda x: f"{x:.3g}")
        ok = limit is None or abs(difference) <= limit
        self.broken += not ok
        self.rows.append([what, f"{ours:.{digits}g}", f"{theirs:.{digits}g}", percent(difference),
                          "" if limit is None else percent(limit), ("-" if limit is None else "yes" if ok else "NO") + note])
        return ok

    def print(self):
        rows = [["what", "ours", "theirs", "difference", "limit", "ok"]] + self.rows
        widths = [max(len(row[i]) for row in rows) for i in range(6)]
        print(f"\n{self.title}")
        for row in rows:
            print(" | ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        sys.stdout.flush()
        return self.broken


def finish(tables):
    """Prints all and ends the process: 1 where a limit is broken."""
    sys.exit(1 if sum(table.print() for table in tables) else 0)


def versions(*packages):
    from importlib.metadata import version
    return {name: version(name) for name in packages}


def keep(chosen, name, content):
    """Writes tests/peers/golden/NAME.json anew where --golden says so."""
    if not chosen.golden:
        return
    os.makedirs(chosen.golden, exist_ok=True)
    script = os.path.basename(sys.argv[0]).removesuffix(".py")
    text = json.dumps({"command": f"./dev test peers {script} --golden tests/peers/golden", **content}, indent=1)
    # Lists of numbers stand on one line.
    text = re.sub(r"\[[^\[\]{}\"]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    with open(os.path.join(chosen.golden, f"{name}.json"), "w") as file:
        file.write(text + "\n")


class Figures:
    """What one run of a scenario measured."""

    def __init__(self, rows):
        self.rows = rows

    def row(self, codec, metric, component="kv"):
        for row in self.rows:
            if row["codec_name"] == codec and row["metric"] == metric and row["component"] == component:
                return row
        raise SystemExit(f"no {metric} of {codec}: {[r for r in self.rows if r['codec_name'] == codec][:3]}")

    def value(self, codec, metric, component="kv"):
        return self.row(codec, metric, component)["value"]

    def two_errors(self, codec, metric):
        """Half of the interval of 95%."""
        row = self.row(codec, metric)
        return (row["ci_high"] - row["ci_low"]) / 2


def measure(folder, name, source, context, codecs, workload):
    """Runs one workload over codecs ({name: text}) and returns its Figures."""
    scenario, database = os.path.join(folder, f"{name}.yaml"), os.path.join(folder, f"{name}.db")
    with open(scenario, "w") as file:
        json.dump({"kvstone": 1, "name": name, "sources": [source],
                   "grid": {"context": [context],
                            "codec": [{"name": key, "codec": text} for key, text in codecs.items()]},
                   "workloads": [workload], "measure": {"timing": "off", "timeout": "3600 s"}}, file)
    run = subprocess.run(["kvstone", "run", scenario, "--db", database], capture_output=True, text=True)
    if run.returncode not in (0, 4):
        raise SystemExit(run.stdout + run.stderr)
    rows = subprocess.run(["kvstone", "query", "select codec_name, component, metric, value, ci_low, ci_high, status, reason "
                           "from v_latest", "--db", database, "--format", "json"], capture_output=True, text=True, check=True)
    return Figures(json.loads(rows.stdout))
