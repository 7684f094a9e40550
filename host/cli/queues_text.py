"""The list of queues, as people read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ..operations.queues import QueueInfo


def queues_table(queues: Sequence[QueueInfo], now: datetime) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows; what no queue has takes no column."""
    columns = ["QUEUE", "VISIBLE", "DELAYED", "IN FLIGHT", "OLDEST", "IN/S", "DONE/S"]
    rows = [_row(queue, now) for queue in queues]
    if any(queue.depth.waiting for queue in queues):
        columns.insert(3, "WAITING")
        rows = [
            [*row[:3], str(queue.depth.waiting), *row[3:]] for row, queue in zip(rows, queues, strict=True)
        ]
    if any(queue.paused for queue in queues):
        columns.append("PAUSED")
        rows = [
            [*row, queue.paused.told if queue.paused else ""] for row, queue in zip(rows, queues, strict=True)
        ]
    return tuple(columns), [tuple(row) for row in rows]


def _row(queue: QueueInfo, now: datetime) -> list[str]:
    depth = queue.depth
    oldest = age_text(now - depth.oldest) if depth.oldest else ""
    counts = [depth.visible, depth.delayed, depth.in_flight]
    return [
        queue.name,
        *map(str, counts),
        oldest,
        _rate_text(queue.rate.received),
        _rate_text(queue.rate.completed),
    ]


def _rate_text(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}" if rate >= 0.1 else f"{rate:.2f}" if rate else "0"


def age_text(age: timedelta) -> str:
    """An age as people say it, in its two largest units."""
    seconds = max(0, int(age.total_seconds()))
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    parts = [f"{days}d", f"{hours}h", f"{minutes}m", f"{seconds}s"]
    first = next((place for place, part in enumerate(parts) if not part.startswith("0")), 3)
    return " ".join(parts[first : first + 2])
