"""Soak: hosts under load are killed, stopped, reloaded and left without room, then every message is accounted for.

    python benchmarks/soak.py --minutes 2 [--seed 7] [--kills-every 2] [--hosts 2] [--disk auto]
    python benchmarks/soak.py --kills 500

The first mixes all triggers at load and does everything to the hosts at once; there is at least one kill -9 every
`--kills-every` seconds. Three quarters of the time are chaos; the last quarter is load without it, in which the
hosts must not grow. The second kills a host under load so many times, each time at a random moment of its life:
during start and recovery too. At the end there is a ledger, and the exit code is 1 if any promise was broken. What
a failed run leaves, its store and all logs, is kept. `--seed` repeats what is done, as far as time allows it.

Needs the environment for development. All traffic stays on this machine.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for the app and the ledger of the fault suite

from faults.injection import Faults
from soak_app import make_app
from soak_chaos import Chaos, abandoned_at_end
from soak_check import Findings, check, is_quiet
from soak_disk import Disk, FailingStore, SmallDisk, may_mount, move_to_where_mounting_is_allowed
from soak_hosts import Host, Record
from soak_load import Load

#: The share of the time in which things are done to the hosts, and the longest time of load without that.
CHAOS_SHARE = 0.75
LONGEST_CALM = 60.0

#: Seconds in which everything has to have come to rest; and a host has to have come to its usual size.
SETTLED_WITHIN = 240.0
WARM_AFTER = 5.0

#: What a host may grow by in the calm: MiB of memory (PSS), file descriptors, threads.
MOST_MEMORY = 10.0
MOST_DESCRIPTORS = 3
MOST_THREADS = 2

#: Seconds between two lines that tell how far it is.
TOLD_EACH = 30.0

#: Breaches that are printed.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Size:
    """How large a host is while it has nothing to do."""

    pid: int
    memory: float
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Size:
        process = psutil.Process(pid)
        memory = process.memory_full_info().pss / 2**20
        return cls(pid, memory, process.num_fds(), process.num_threads())


class Soak:
    """One run: the app, its hosts, their load, and what is done to them."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.record = Record()
        self.folder = folder
        self.app = make_app(folder / "app")
        logs = folder / "logs"
        logs.mkdir()
        faults = Faults(folder)
        self.disk = self._disk(options, faults)
        names = "ab"[: options.hosts]
        self.hosts = [
            Host(name, self.app, logs, self.record, faults.env, _arguments(f"{options.seed} {name}"))
            for name in names
        ]
        for host in self.hosts:
            host.excuse = lambda: "the disk was full" if self.disk.is_full else ""
        self.load = Load(self.app, self.hosts, options.seed)
        self.chaos = Chaos(self.app, self.hosts, self.record, self.disk, options.seed)
        self._told = time.monotonic()

    def run_chaos(self, seconds: float, kills_every: float) -> None:
        """Everything at once, and then load alone."""
        self._begin()
        self.chaos.begin(kills_every)
        end = time.monotonic() + seconds * CHAOS_SHARE
        while time.monotonic() < end:
            time.sleep(0.2)
            self._tell()
        self.chaos.end()
        self._calm(min(LONGEST_CALM, seconds * (1 - CHAOS_SHARE)))

    def run_kills(self, cycles: int) -> None:
        """Kills of hosts alone."""
        self._begin()
        self.chaos.kill_hosts(cycles, lambda cycle: self._tell())
        self.chaos.end()

    def finish(self) -> Findings:
        """Let everything come to rest, stop the hosts, and look."""
        self._rest()
        self.load.end()
        for host in self.hosts:
            host.end()
        return check(self.app, self.load)

    def _disk(self, options: argparse.Namespace, faults: Faults) -> Disk:
        if options.kills or options.disk == "none":
            return Disk()
        if options.disk == "errors" or not may_mount():
            return FailingStore(faults)
        disk = SmallDisk(self.folder / "disk", 64 + int(options.minutes * 32))
        self.app.store = self.folder / "disk" / "store"
        return disk

    def _begin(self) -> None:
        for host in self.hosts:
            host.begin()
            host.wait_until_ready()
        self.load.go_on()

    def _calm(self, seconds: float) -> None:
        """Load that nothing disturbs: a host must not grow under it."""
        self._wait_until_all_serve()
        time.sleep(WARM_AFTER)
        before = self._sizes()
        self.load.go_on()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.2)
            self._tell()
        for first, then in zip(before, self._sizes(), strict=True):
            self._compare(first, then, seconds)

    def _sizes(self) -> list[Size]:
        self._rest()
        return [Size.of(host.pid) for host in self.hosts if host.pid]

    def _compare(self, first: Size, then: Size, seconds: float) -> None:
        grown = then.memory - first.memory
        sentence = (
            f"host {then.pid} in {seconds:.0f} s of load: memory {first.memory:.1f} to {then.memory:.1f} MiB "
            f"(at most {MOST_MEMORY:g} more), file descriptors {first.descriptors} to {then.descriptors}, "
            f"threads {first.threads} to {then.threads}"
        )
        self.record.lines.append(sentence)
        print(sentence)
        is_same = first.pid == then.pid
        more = (then.descriptors - first.descriptors, then.threads - first.threads)
        if not is_same or grown > MOST_MEMORY or more[0] > MOST_DESCRIPTORS or more[1] > MOST_THREADS:
            self.record.breach(f"It grew, or is not the same any more: {sentence}")

    def _rest(self) -> None:
        """No more load, and everything is worked off."""
        self._wait_until_all_serve()
        self.load.pause()
        began = time.monotonic()
        while not is_quiet(self.app, self.load):
            if time.monotonic() - began > SETTLED_WITHIN:
                self.record.breach(f"After {SETTLED_WITHIN:g} s without load there is still work.")
                return
            time.sleep(0.1)

    def _wait_until_all_serve(self) -> None:
        """Until each host listens, and goes on doing so: one that was just stopped listens for a moment."""
        turns: list[int] = []
        while turns != [host.turns for host in self.hosts]:
            turns = [host.turns for host in self.hosts]
            for host in self.hosts:
                if not host.wait_until_ready():
                    self.record.breach("A host that nobody disturbs does not listen.")
            time.sleep(2)

    def _tell(self) -> None:
        if time.monotonic() - self._told < TOLD_EACH:
            return
        self._told = time.monotonic()
        sent = sum(map(len, self.load.sent.values()))
        killed = len(self.record.kills)
        print(f"… {sent} sent, {killed} kills, {len(self.record.breaches)} breaches so far", flush=True)


def _arguments(seed: str) -> Callable[[], list[str]]:
    rng = random.Random(seed)
    return lambda: ["--workers", str(rng.choice((1, 1, 2))), "--drain-timeout", "3s"]


def report(soak: Soak, findings: Findings, seconds: float) -> bool:
    """Print the ledger; whether all is as promised."""
    record, counts = soak.record, soak.record.counts
    print("\n" + "\n".join(findings.lines))
    print("done to the hosts: " + ", ".join(f"{what} {counts[what]}" for what in sorted(counts)))
    gaps = [after - before for before, after in zip(record.kills, record.kills[1:], strict=False)]
    if gaps:
        print(f"kills: {len(record.kills)}, {statistics.mean(gaps):.2f} s apart, at most {max(gaps):.2f} s")
    if record.starts:
        print(
            f"from start to ready: {statistics.median(record.starts):.2f} s in the median, "
            f"at most {max(record.starts):.2f} s, {len(record.starts)} times; {soak.disk.told}"
        )
    calls = soak.load.calls_answered, soak.load.calls_unanswered
    print(f"calls: {calls[0]} answered, {calls[1]} not; {seconds:.0f} s in all")
    breaches = [*record.breaches, *findings.breaches]
    for breach in breaches[:SHOWN]:
        print(f"\nBREACH {breach}")
    if len(breaches) > SHOWN:
        print(f"\nand {len(breaches) - SHOWN} more breaches")
    print(f"\ncompleted {findings.done}, lost {findings.lost}, completed twice {findings.completed_twice}")
    return not breaches and not findings.lost and not findings.completed_twice


def keep(soak: Soak) -> None:
    """Leave the store and the logs where they can be looked at."""
    if soak.app.store.parent.name == "disk":
        # Its disk goes with this process.
        shutil.copytree(soak.app.store, soak.folder / "store", dirs_exist_ok=True)
    (soak.folder / "record.txt").write_text("\n".join(soak.record.lines) + "\n")
    print(f"The store and the logs are kept in {soak.folder}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument(
        "--kills", type=int, default=0, help="kill hosts so often, and do nothing else to them"
    )
    parser.add_argument("--kills-every", type=float, default=2.0, metavar="SECONDS")
    parser.add_argument("--hosts", type=int, choices=(1, 2), help="default 2; 1 with --kills")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)))
    parser.add_argument("--disk", choices=("auto", "errors", "none"), default="auto", help="how it is filled")
    parser.add_argument("--keep", action="store_true", help="keep store and logs in any case")
    options = parser.parse_args()
    options.hosts = options.hosts or (1 if options.kills else 2)
    if not options.kills and options.disk == "auto":
        move_to_where_mounting_is_allowed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no host is left behind
    folder = Path(tempfile.mkdtemp(prefix="funchost-soak-"))
    print(f"seed {options.seed}, {options.hosts} hosts", flush=True)
    soak, began = Soak(options, folder), time.monotonic()
    with abandoned_at_end(soak.hosts):
        if options.kills:
            soak.run_kills(options.kills)
        else:
            soak.run_chaos(options.minutes * 60, options.kills_every)
        is_well = report(soak, soak.finish(), time.monotonic() - began)
    if is_well and not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        keep(soak)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
