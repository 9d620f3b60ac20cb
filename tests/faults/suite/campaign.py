"""A campaign over the hosts under the supervisor, and what its database holds."""

import os
import signal
import subprocess
import threading
import time

from hosts import NETWORK, children, descendants

SCENARIO = """kvstone: 1
name: faults
sources:
  - synthetic: {layers: 2, heads: 2, kv_heads: 2, head_dim: 32, seed: 11}
grid:
  context: [%s]
  codec: [raw, fp16, bf16, int8, "int:bits=4,axis=token", "fp8:format=e4m3", q8_0, q4_0, nf4, "lloydmax:bits=3",
          "fp16 | zstd", "hadamard | int:bits=4,axis=token"]
  threads: [1]
workloads: [roundtrip]
measure: {repetitions: 1, min_time: 1 ms, timing: off, timeout: %d s}
"""
CODECS = 12
TIMEOUT_S = 6
PATIENCE_S = 1
# Whatever a run without faults gives again, to the last bit.
DETERMINISTIC = ("SELECT cell, component, metric, value, n FROM v_latest JOIN metric m ON m.name = metric "
                 "WHERE m.deterministic ORDER BY cell, component, metric")


def write_scenario(path, cells):
    contexts = ", ".join(str(8 + i) for i in range(cells // CODECS))
    with open(path, "w") as file:
        file.write(SCENARIO % (contexts, TIMEOUT_S))


def query(database, sql):
    """Rows of texts."""
    csv = subprocess.run(["kvstone", "query", "--db", database, "--format", "csv", sql], check=True,
                         capture_output=True, text=True).stdout
    return [line.split(",") for line in csv.splitlines()[1:]]


class Campaign:
    """One `kvstone run` over the hosts, started again by the supervisor as long as something is open."""

    def __init__(self, hosts, database, scenario, fault_tolerant, log, arguments=()):
        self.database = database
        self.log = open(log, "a")
        supervise = os.path.join(os.path.dirname(__file__), "../../../cluster/slurm/supervise")
        # The first host coordinates and measures: two ranks there.
        slots = ",".join(f"{host.address}:{2 if host.number == 1 else 1}" for host in hosts.all.values())
        command = hosts.on(
            1, ["mpirun", "--allow-run-as-root", *(["--with-ft", "ulfm"] if fault_tolerant else []),
             "--prtemca", "plm_ssh_agent", hosts.agent, "--prtemca", "prte_if_include", f"{NETWORK}.0/24,lo",
             "--mca", "btl_tcp_if_include", f"{NETWORK}.0/24", "-H", "{nodes}",
             "kvstone", "run", scenario, "--db", database, "--patience", str(PATIENCE_S), *arguments])
        alive = f'node={{node}}; kill -0 "$(cat {hosts.folder}/${{node%:*}})"'
        self.process = subprocess.Popen([supervise, "--nodes", slots, "--alive", alive, "--database", database, "--",
                                         *command], stdout=self.log, stderr=self.log)
        self.started = time.time()

    def attempts(self):
        try:
            return int(query(self.database, "SELECT count(*) FROM attempt")[0][0])
        except (subprocess.CalledProcessError, IndexError):
            return 0

    def wait_for_attempts(self, count):
        """Returns False where the campaign ended before."""
        while self.attempts() < count:
            if self.process.poll() is not None:
                return False
            time.sleep(0.02)
        return True

    def processes(self, name):
        """(process, environment) of every process of that name below the supervisor."""
        found = []
        for pid in descendants(self.process.pid):
            try:
                with open(f"/proc/{pid}/comm") as file:
                    if file.read().strip() != name[:15]:
                        continue
                with open(f"/proc/{pid}/environ", "rb") as file:
                    words = file.read().decode(errors="replace").split("\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            found.append((pid, dict(word.split("=", 1) for word in words if "=" in word)))
        return found

    def ranks(self):
        """Process by rank; the helpers that ranks fork are their children, and no ranks."""
        mine = self.processes("kvstone")
        forked = {child for pid, _ in mine for child in children(pid)}
        return {int(environment["OMPI_COMM_WORLD_RANK"]): pid
                for pid, environment in mine if pid not in forked and "OMPI_COMM_WORLD_RANK" in environment}

    def finish(self, limit_s=300):
        """Exit code, or None where it had to be killed."""
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            for pid in [self.process.pid, *descendants(self.process.pid)]:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
            return None
        finally:
            self.log.close()


def after(seconds, action):
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
