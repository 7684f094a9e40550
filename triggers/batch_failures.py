"""Which messages of a batch failed, as the function reports it: in the form that Lambda knows.

A function that returns ``{"batchItemFailures": [{"itemIdentifier": "<message id>"}]}`` names those that are to come
again; all others are done. A report that cannot be trusted fails the whole batch, as it does there: what failed would
be lost otherwise.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from ..bindings.errors import BindingError
from .base import ErrorInfo, Outcome, Status


class _Failure(msgspec.Struct):
    itemIdentifier: str


class _Report(msgspec.Struct):
    batchItemFailures: list[_Failure] | None = None


def failed_ids(outcome: Outcome, ids: Collection[str]) -> set[str]:
    """The messages that a run which succeeded reports as failed, out of those with these ids.

    Raises `BindingError` for a report of another form, and for a message that was not in the batch.
    """
    if outcome.kind != "json" or not isinstance(outcome.body, bytes):
        return set()
    try:
        report = msgspec.json.decode(outcome.body, type=_Report)
    except msgspec.DecodeError as error:
        raise BindingError(
            f"All messages of the batch count as failed, since the function's report of those that failed cannot be "
            f'understood ({error}). Return {{"batchItemFailures": [{{"itemIdentifier": message.id}}]}}.'
        ) from error
    failed = {failure.itemIdentifier for failure in report.batchItemFailures or ()}
    if unknown := sorted(failed.difference(ids)):
        raise BindingError(
            f"All messages of the batch count as failed, since the function reports '{unknown[0]}' as failed, which is "
            "not the id of a message in it. Give the id of the message as itemIdentifier."
        )
    return failed


def reported(outcome: Outcome) -> Outcome:
    """The outcome of such a run for a message that it reports."""
    error = ErrorInfo("BatchItemFailure", "The function reported the message as failed.")
    return msgspec.structs.replace(outcome, status=Status.FAILED, error=error)
