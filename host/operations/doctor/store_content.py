"""What lies in the store and should not: messages that nobody takes, given-up ones, what dead hosts left."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ....bindings.clock import SystemClock, milliseconds
from ....bindings.counted import counted
from ....bindings.private_files import FILE_MODE
from ....triggers.poison import poison_queue_name
from ....triggers.queue import QueueTrigger
from ...config.vocabulary import nearest
from .check import Check, ok, skipped, warning
from .look import Look
from .patient import Patient, aside
from .store import read_only

NAME = "messages"

#: The queues of what blob and file functions have given up.
_POISON_OF_CHANGES = frozenset({"webjobs-blobtrigger-poison", "webjobs-filetrigger-poison"})

_WAITING = """
SELECT queue, count(*) FROM messages WHERE expires_at IS NULL OR expires_at > ? GROUP BY queue ORDER BY queue
"""


@dataclass(frozen=True, slots=True)
class Content:
    """What the store holds."""

    #: How many messages each queue has.
    waiting: dict[str, int]
    #: Hosts that are listed: what they are called, their process, and how many messages they have.
    hosts: list[tuple[str, int, int]]


async def check(patient: Patient) -> Iterable[Check]:
    """Poison messages, messages without a function, and leftovers of hosts that have died."""
    if not patient.store.exists():
        return [skipped(NAME, "There is no store yet.")]
    try:
        content = await aside(lambda: content_of(patient.store))
    except sqlite3.Error as error:
        return [skipped(NAME, f"The store cannot be read: {error}.")]
    dead = await aside(lambda: list(_leftovers(patient.configuration.store_folder, content)))
    found = [*dead, *messages(content, await patient.look())]
    return found or [ok(NAME, "No message waits without a function to take it, and none was given up.")]


def content_of(path: Path) -> Content:
    """Read it, changing nothing. Raises `sqlite3.Error`."""
    now = milliseconds(SystemClock().now())
    with closing(read_only(path)) as connection:
        held = dict(
            connection.execute("SELECT owner, count(*) FROM messages WHERE owner IS NOT NULL GROUP BY owner")
        )
        hosts = connection.execute("SELECT owner, pid FROM hosts").fetchall()
        waiting = dict(connection.execute(_WAITING, (now,)).fetchall())
    return Content(waiting, [(owner, pid, held.get(owner, 0)) for owner, pid in hosts])


def messages(content: Content, look: Look) -> Iterator[Check]:
    """What is to be said of the messages in each queue."""
    taken, poison = _queues(look)
    for queue, count in content.waiting.items():
        if queue in taken:
            continue
        if queue in poison or queue.endswith("-poison"):
            yield warning(
                NAME,
                f"{counted(count, 'message')} given up in the queue {queue}.",
                f"funchost poison list shows why; funchost queues peek {queue} shows them.",
            )
        elif look.is_whole:
            near = nearest(queue, taken)
            hint = f"Did you mean the queue {near}? " if near else ""
            yield warning(
                NAME,
                f"{counted(count, 'message')} in the queue {queue}, which no function of this app takes.",
                f"{hint}Add a function for it, or remove them: funchost queues clear {queue}.",
            )


def _queues(look: Look) -> tuple[set[str], set[str]]:
    """The embedded queues that functions take messages from, and those that they give them up to."""
    taken: set[str] = set()
    poison = set(_POISON_OF_CHANGES)
    for trigger in look.triggers.values():
        queue = getattr(trigger, "queue", None)
        if isinstance(trigger, QueueTrigger):
            queue = trigger.function.trigger.fields["queueName"]
            given_up = poison_queue_name(queue, trigger.function.policy.queue.poison_queue)
            poison |= {given_up} if given_up else set()
        if isinstance(queue, str):
            taken.add(queue)
    return taken, poison


def _leftovers(folder: Path, content: Content) -> Iterator[Check]:
    for owner, pid, held in content.hosts:
        if _is_dead(folder, owner):
            what = f" {counted(held, 'message')} that it had in flight," if held else ""
            yield warning(
                NAME,
                f"A host (process {pid}) died and left{what} what it had locked and its mark in the store.",
                "The next start, or a host that runs, gives all of it back within seconds.",
            )


def _is_dead(folder: Path, owner: str) -> bool:
    """Whether a host has let go of the file that it keeps locked while it lives."""
    path = folder / "hosts" / f"{owner}.lock"
    if not path.exists():
        return True
    lock = FileLock(path, mode=FILE_MODE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    lock.release()
    return True
