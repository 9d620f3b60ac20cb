"""What the tests of the pages share: the tree, failures, and commands that run in a folder of their own."""

import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT_S = 200
failed = []

# What `./dev run SCENARIO` is given besides: few codecs, short contexts, short times.
BRIEF = "measure={min_time: 1 ms, warm_up: 1 ms, repetitions: 1}"
SHORT = {
    "quickstart": ["--set", "grid.context=[256]", "--set", BRIEF, "--set", "grid.codec=[raw, int8, fp16 | zstd]"],
    "mine": ["--set", "grid.context=[256]", "--set", BRIEF],
    "model-quality": ["--set", "grid.context=[256]", "--set", "measure.timing=off",
                      "--set", "grid.codec=[raw, balanced]"],
}


def complain(where, text):
    failed.append(where)
    print(f"FAILED {where}: {text}", flush=True)


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def run(command, folder):
    """Exit code and all output of a shell command in a folder, which is its cache, too."""
    unset = ("KVSTONE_DB", "COLUMNS", "LINES")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"XDG_CACHE_HOME": os.path.join(folder, "cache"), "NO_COLOR": "1", "OMP_WAIT_POLICY": "passive"}
    try:
        ended = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S,
                               check=False)
        return ended.returncode, ended.stdout
    except subprocess.TimeoutExpired as late:
        return -1, f"not done after {LIMIT_S} s\n{late.stdout}"
