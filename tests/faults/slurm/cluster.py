"""A Slurm cluster over the hosts of ../suite/hosts.py: munge, a controller on the first host, a daemon on each.

Runs as whoever calls, who alone may submit; in FOLDER, with the logs FOLDER/NAME.log.
"""

import os
import subprocess
import time

# The controller looks at time limits twice a minute. Credentials live shortly because a job that is queued again waits
# for its old ones to die.
CONFIGURATION = """ClusterName=kvstone
SlurmctldHost=h1({address})
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation=/run/slurm
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
MailProg=/bin/true
AuthInfo=cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=10
{nodes}
PartitionName=night Nodes=ALL Default=YES
"""


class Slurm:
    def __init__(self, hosts, folder):
        self.hosts = hosts
        self.folder = folder
        for path in ("/run/slurm", "/run/munge", "/var/lib/munge", *(f"{folder}/h{number}" for number in hosts.all)):
            os.makedirs(path, exist_ok=True)
        nodes = "\n".join(f"NodeName=h{host.number} NodeAddr={host.address} State=UNKNOWN"
                          for host in hosts.all.values())
        self.write("slurm.conf", CONFIGURATION.format(address=hosts.all[1].address, folder=folder, nodes=nodes,
                                                      user=os.getuid()))
        self.write("cgroup.conf", "CgroupPlugin=disabled\n")
        self.write("munge.key", os.urandom(64).hex())
        os.environ["SLURM_CONF"] = f"{folder}/slurm.conf"
        self.start(1, "munged", "--foreground", "--force", "--key-file", f"{folder}/munge.key")
        while not os.path.exists("/run/munge/munge.socket.2"):
            time.sleep(0.05)
        self.start(1, "slurmctld", "-D")
        for number in hosts.all:
            self.start(number, "slurmd", "-D", "-N", f"h{number}")
        self.wait(30, lambda: self.ask("sinfo", "--noheader", "--format=%T").split() == ["idle"])

    def write(self, name, text):
        with open(os.open(f"{self.folder}/{name}", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(text)

    def start(self, number, *command):
        with open(f"{self.folder}/{command[0]}-{number}.out", "a") as file:
            subprocess.Popen(self.hosts.on(number, command), stdout=file, stderr=file)

    def ask(self, *command):
        """What a command says on the first host; nothing where it fails."""
        return subprocess.run(self.hosts.on(1, command), capture_output=True, text=True, timeout=30).stdout

    def wait(self, limit_s, holds):
        until = time.time() + limit_s
        while not holds():
            if time.time() > until:
                raise TimeoutError(f"waited {limit_s} s in vain (logs: {self.folder})")
            time.sleep(0.2)

    def submit(self, *options):
        """The job's number."""
        return self.ask("sbatch", "--parsable", *options).strip()

    def state(self, job):
        """(state as in PENDING, how often it was queued again, exit code and signal as in 0:0)."""
        words = dict(word.split("=", 1) for word in self.ask("scontrol", "show", "job", job).split() if "=" in word)
        return words.get("JobState"), int(words.get("Restarts", 0)), words.get("ExitCode")
