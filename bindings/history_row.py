"""A run as a row of the embedded store, and back.

A column of a row costs as much as a tenth of writing all of it, so only what is looked for by SQL has one; the
rest is a document for lists, and one of the contents that only one run is asked with.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from .history import NOTHING, Kept, OutputRef, RunRecord, RunState, Step

#: The columns of a list, and those that only one run is asked with.
LISTED = "id, function, state, parent, replay_of, message, trace_id, summary"
WHOLE = f"{LISTED}, contents"

INSERT = f"INSERT INTO runs (number, running_on, size, {WHOLE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

#: What a row takes beside its documents, with its part of the indexes: bytes, about.
_OVERHEAD = 300

Row = tuple[Any, ...]


class _Summary(msgspec.Struct, omit_defaults=True):
    """A run without what has a column, and without contents."""

    trigger: str
    host: str
    started: datetime
    ended: datetime | None = None
    queued: datetime | None = None
    worker: int | None = None
    origin: str = ""
    attempts: int = 1
    dequeue_count: int | None = None
    code: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_traceback: str | None = None
    #: Kind and size of each content; nothing stands for a content that there is none of.
    input: tuple[str, int] | None = None
    output: tuple[str, int] | None = None
    log: tuple[str, int] | None = None
    event: dict[str, Any] = msgspec.field(default_factory=dict)
    outputs: tuple[OutputRef, ...] = ()
    answer: dict[str, Any] = msgspec.field(default_factory=dict)
    progress: float | None = None
    status: Any = None


class Contents(msgspec.Struct, array_like=True):
    """What a list does without."""

    input: bytes = b""
    output: bytes = b""
    log: bytes = b""
    steps: tuple[Step, ...] = ()


#: Plain texts: to ask an enum for its value takes longer.
_STATES = {state: state.value for state in RunState}

_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder(_Summary).decode
_pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Contents).decode


def row_of(number: int, run: RunRecord) -> Row:
    """What `INSERT` takes. Raises `ValueError` or `TypeError` for a text or a value that no file can hold."""
    given, output, log = run.input, run.output, run.log
    summary = _Summary(
        run.trigger,
        run.host,
        run.started,
        run.ended,
        run.queued,
        run.worker,
        run.origin,
        run.attempts,
        run.dequeue_count,
        run.code,
        run.error_type,
        run.error_message,
        run.error_traceback,
        None if given is NOTHING else (given.kind, given.size),
        None if output is NOTHING else (output.kind, output.size),
        None if log is NOTHING else (log.kind, log.size),
        run.event,
        tuple(run.outputs),
        run.answer,
        run.progress,
        run.status,
    )
    document = _encode(summary)
    contents = _pack(Contents(given.data, output.data, log.data, tuple(run.steps)))
    return (
        number,
        run.host if run.state is RunState.RUNNING else None,
        _OVERHEAD + len(document) + len(contents),
        run.id,
        run.function,
        _STATES[run.state],
        run.parent,
        run.replay_of,
        run.message,
        run.trace_id,
        document,
        contents,
    )


def size_of(row: Row) -> int:
    """What a row of `row_of` takes, in bytes."""
    size: int = row[2]
    return size


def listed(row: Row) -> RunRecord:
    """The run of a row with the columns `LISTED`: without contents and steps."""
    id_, function, state, parent, replay_of, message, trace_id, document = row
    summary = _decode(document)
    return RunRecord(
        id=id_,
        function=function,
        trigger=summary.trigger,
        state=RunState(state),
        host=summary.host,
        worker=summary.worker,
        origin=summary.origin,
        message=message,
        queued=summary.queued,
        started=summary.started,
        ended=summary.ended,
        attempts=summary.attempts,
        dequeue_count=summary.dequeue_count,
        parent=parent,
        replay_of=replay_of,
        trace_id=trace_id,
        code=summary.code,
        error_type=summary.error_type,
        error_message=summary.error_message,
        error_traceback=summary.error_traceback,
        event=summary.event,
        input=_kept(summary.input, b""),
        output=_kept(summary.output, b""),
        outputs=summary.outputs,
        answer=summary.answer,
        log=_kept(summary.log, b""),
        progress=summary.progress,
        status=summary.status,
    )


def whole(row: Row) -> RunRecord:
    """The run of a row with the columns `WHOLE`."""
    run, contents = listed(row[:-1]), unpack(row[-1])
    run.input = msgspec.structs.replace(run.input, data=contents.input)
    run.output = msgspec.structs.replace(run.output, data=contents.output)
    run.log = msgspec.structs.replace(run.log, data=contents.log)
    run.steps = contents.steps
    return run


def scrubbed(run: RunRecord) -> RunRecord:
    """The same with replaced what no file can hold, in texts and values that user code may have made."""
    changes = {
        name: value.encode("utf-8", "replace").decode()
        for name, value in msgspec.structs.asdict(run).items()
        if type(value) is str
    }
    changed = msgspec.structs.replace(run, **changes)
    for name in ("event", "outputs", "answer", "steps", "status"):
        try:
            value = getattr(changed, name)
            _encode(value), _pack(value)
        except (ValueError, TypeError, RecursionError, OverflowError):
            setattr(changed, name, None if name == "status" else type(getattr(changed, name))())
    return changed


def _kept(kept: tuple[str, int] | None, data: bytes) -> Kept:
    return NOTHING if kept is None else Kept(kept[0], data, kept[1])
