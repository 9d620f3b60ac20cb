"""Hosts on one machine: each a network, host name and process tree of its own, wired to one bridge.

Needs the rights of a (user) namespace's root; everything ends with the calling process. Address of host N: 10.77.0.N.
"""

import os
import signal
import subprocess
import time

NETWORK = "10.77.0"


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def children(pid):
    """Of all its threads."""
    found = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += [int(word) for word in file.read().split()]
    except FileNotFoundError:
        pass
    return found


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


class Host:
    """The first process of its process tree; killing it kills all that runs there, at once, as a power cut would.

    Host 1 shares the caller's process tree, so that mpirun, which starts there, can enter the others.
    """

    def __init__(self, number):
        self.number = number
        self.address = f"{NETWORK}.{number}"
        namespaces = ["--net", "--uts"] + ([] if number == 1 else ["--pid", "--mount-proc"])
        self.outer = subprocess.Popen(["unshare", *namespaces, "--fork", "--kill-child", "sh", "-c",
                                       f"hostname h{number}; exec sleep infinity"])
        while not children(self.outer.pid):
            time.sleep(0.01)
        self.pid = children(self.outer.pid)[0]
        # The kernel takes a dead host's link away when it comes to it.
        subprocess.run(["ip", "link", "delete", f"v{number}"], stderr=subprocess.DEVNULL, check=False)
        run("ip", "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        run("ip", "link", "set", f"v{number}", "master", "bridge0", "up")
        inside = ["nsenter", "--target", str(self.pid), "--net", "ip"]
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "address", "add", f"{self.address}/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")

    def kill(self):
        for pid in (self.pid, self.outer.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.outer.wait()


class Hosts:
    """`folder` gets what mpirun needs to reach them: one file a host with its process, and the agent."""

    def __init__(self, count, folder):
        self.folder = folder
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "bridge0", "type", "bridge")
        run("ip", "address", "add", f"{NETWORK}.254/24", "dev", "bridge0")
        run("ip", "link", "set", "bridge0", "up")
        self.all = {}
        for number in range(1, count + 1):
            self.revive(number)
        self.agent = os.path.join(folder, "agent")
        with open(self.agent, "w") as file:
            file.write('#!/bin/sh\nhost=$1\nshift\n'
                       f'exec nsenter --target "$(cat {folder}/$host)" --net --uts --pid --mount sh -c "$*"\n')
        os.chmod(self.agent, 0o755)

    def revive(self, number):
        if number in self.all and self.all[number].outer.poll() is None:
            return
        self.all[number] = Host(number)
        with open(os.path.join(self.folder, self.all[number].address), "w") as file:
            file.write(str(self.all[number].pid))

    def revive_all(self):
        for number in self.all:
            self.revive(number)

    def on(self, number, command):
        """The command as it runs there."""
        namespaces = ["--net", "--uts"] + ([] if number == 1 else ["--pid", "--mount"])
        return ["nsenter", "--target", str(self.all[number].pid), *namespaces, *command]
