"""What is done to the hosts of the soak, each kind in a thread and with random numbers of its own.

Kills go on at their own pace, whatever else is going on: so they also strike a host that starts, stops, recovers,
reloads, or has no room on its disk.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

from e2e.apps import App
from soak_app import change_code
from soak_disk import Disk
from soak_hosts import Host, Record

#: Kills that strike a host; the others strike a worker.
HOSTS_SHARE = 0.4

#: Of those, kills that may also strike a host that is only starting.
AT_START_SHARE = 0.3

#: Kills of `--kills` that strike a host which serves, within so many seconds; the others strike within as many seconds
#: of the start of the process, and so mostly while it starts and recovers.
SERVING_SHARE = 0.5
KILL_WITHIN = 1.0


class Chaos:
    """Kills, stops, reloads and full disks, from `begin` to `end`."""

    def __init__(self, app: App, hosts: list[Host], record: Record, disk: Disk, seed: str) -> None:
        self._app = app
        self._hosts = hosts
        self._record = record
        self._disk = disk
        self._seed = seed
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self, kills_every: float) -> None:
        """Do all of it; there are never more than `kills_every` seconds between two kills."""
        self._start(partial(self._kill, kills_every), "kills")
        self._start(self._stop, "stops")
        self._start(self._change_code, "reloads")
        self._start(self._fill_disk, "disk")

    def kill_hosts(self, cycles: int, told: Callable[[int], None]) -> None:
        """Kill each host at a random moment of its life, again and again, `cycles` times in all. Returns then."""
        for place, host in enumerate(self._hosts):
            mine = range(place, cycles, len(self._hosts))
            self._start(partial(self._cycle, host, mine, told), f"cycles {place}")
        for thread in self._threads:
            thread.join()

    def end(self) -> None:
        """Do no more, and leave all in order."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._disk.empty()
        change_code(self._app, 0)

    def _start(self, work: Callable[[random.Random], None], name: str) -> None:
        rng = random.Random(f"{self._seed} {name}")
        thread = threading.Thread(target=work, args=(rng,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _cycle(self, host: Host, cycles: range, told: Callable[[int], None], rng: random.Random) -> None:
        turn = 0
        for cycle in cycles:
            while True:
                turn = max(turn + 1, host.turns)
                host.wait_for_turn(turn)
                if rng.random() < SERVING_SHARE:
                    host.wait_until_ready()
                time.sleep(rng.uniform(0, KILL_WITHIN))
                if host.kill():
                    break
            told(cycle)

    def _kill(self, every: float, rng: random.Random) -> None:
        while not self._ended.wait(rng.uniform(0.2, 0.9) * every):
            ready = [host for host in self._hosts if host.url]
            if not ready:
                # The one that has just begun: else no host would ever come to work on a slow machine.
                min(self._hosts, key=lambda host: host.age).kill()
            elif rng.random() < HOSTS_SHARE or not rng.choice(ready).kill_worker(rng.choice):
                rng.choice(self._hosts if rng.random() < AT_START_SHARE else ready).kill()

    def _stop(self, rng: random.Random) -> None:
        while not self._ended.wait(rng.uniform(5, 15)):
            rng.choice(self._hosts).stop()

    def _change_code(self, rng: random.Random) -> None:
        for version in range(1, 10**6):
            if self._ended.wait(rng.uniform(1, 5)):
                return
            kind = rng.choice(("touch", "change", "change", "break"))
            self._record.note(f"code: {kind}")
            if kind == "touch":
                (self._app.root / "second" / "__init__.py").touch()
            else:
                change_code(self._app, version, loads=kind == "change")

    def _fill_disk(self, rng: random.Random) -> None:
        while not self._ended.wait(rng.uniform(4, 10)):
            self._record.note("disk full")
            self._disk.fill()
            self._ended.wait(rng.uniform(0.2, 1.5))
            self._disk.empty()


@contextlib.contextmanager
def abandoned_at_end(hosts: list[Host]) -> Iterator[None]:
    """Leave no process behind, also where the soak itself fails."""
    try:
        yield
    finally:
        for host in hosts:
            host.abandon()
