"""Ways in which user code ends or doubles its process: the host hears of the first, and not of what forks do."""

from __future__ import annotations

import os
from collections.abc import Callable

#: Ends this process at once, without telling anybody.
leave = os._exit


def announce(notice: Callable[[str], None]) -> None:
    """Have `notice` called with the reason before user code ends the process by `os._exit`."""

    def exit_with_notice(code: int) -> None:
        notice(f"os._exit({code})")
        leave(code)

    os._exit = exit_with_notice  # type: ignore[assignment]


def separate_forks(stream: int, forked: Callable[[], None]) -> None:
    """Cut what user code forks off from the host: it must neither write into the stream nor keep it open.

    `forked` is called in the fork, before any user code.
    """

    def separate() -> None:
        os._exit = leave
        os.close(stream)
        forked()

    os.register_at_fork(after_in_child=separate)
