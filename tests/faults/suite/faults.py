"""What may happen to a campaign."""

import ctypes
import os
import signal
import time
from dataclasses import dataclass
from typing import Callable, Optional


@dataclass
class Fault:
    """`strike(campaign, hosts, chance)` returns whether it hit anything. Where the run must end by it, `ends_with` has its
    exit code and what it must say; it is then started again, after `repair(folder)`. `prepare` sees the folder of the
    database first."""

    strike: Optional[Callable]
    ends_with: Optional[tuple] = None
    prepare: Optional[Callable] = None
    repair: Optional[Callable] = None
    by_itself: bool = False  # the run meets it without being struck


def kill(pid, how=signal.SIGKILL):
    try:
        os.kill(pid, how)
        return True
    except ProcessLookupError:
        return False


def some_rank(campaign, chance):
    """Of those that measure; None where there is none yet, or any more."""
    ranks = campaign.ranks()
    victims = [rank for rank in ranks if rank != 0]
    return ranks[chance.choice(victims)] if victims else None


def kill_rank(campaign, hosts, chance):
    victim = some_rank(campaign, chance)
    return victim is not None and kill(victim)


def kill_host(campaign, hosts, chance):
    hosts.all[chance.choice([number for number in hosts.all if number != 1])].kill()
    return True


def kill_coordinator(campaign, hosts, chance):
    ranks = campaign.ranks()
    return 0 in ranks and kill(ranks[0])


def kill_attempt(campaign, hosts, chance):
    for _ in range(200):
        attempts = campaign.processes("kvstone-attempt")
        if attempts and kill(chance.choice(attempts)[0]):
            return True
        time.sleep(0.005)
    return False


def stop_rank(campaign, hosts, chance):
    victim = some_rank(campaign, chance)
    if victim is None:
        return False
    kill(victim, signal.SIGSTOP)
    time.sleep(chance.uniform(0.5, 12))  # leases last TIMEOUT_S + PATIENCE_S
    return kill(victim, signal.SIGCONT)


def interrupt(campaign, hosts, chance):
    return kill(campaign.process.pid, signal.SIGUSR1)


def mount_memory(folder, size, flags=0):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", folder.encode(), b"tmpfs", ctypes.c_ulong(flags), f"size={size}".encode()) != 0:
        raise OSError(ctypes.get_errno(), f"cannot mount {folder}")


def small_disk(folder):
    mount_memory(folder, "1500k")


def more_disk(folder):
    remount = 32  # MS_REMOUNT
    mount_memory(folder, "100m", remount)


FAULTS = {
    "rank": Fault(kill_rank),
    "host": Fault(kill_host),
    "coordinator": Fault(kill_coordinator),
    "attempt": Fault(kill_attempt),
    "stopped rank": Fault(stop_rank),
    "interruption": Fault(interrupt, ends_with=(130, "interrupted")),
    "full disk": Fault(strike=None, ends_with=(4, "is full"), prepare=small_disk,
                       repair=more_disk, by_itself=True),
}
