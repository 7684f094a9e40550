"""Names that queues, containers and blobs may have: Azure's rules, so that an app can move, and those of SQS."""

from __future__ import annotations

import re

from .errors import BindingError

_QUEUE = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", re.ASCII)
_CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]|\$root|\$web", re.ASCII)
_SQS_QUEUE = re.compile(r"(?=.{1,80}\Z)[A-Za-z0-9_-]+(\.fifo)?", re.ASCII)
_RULE = "3 to 63 lower-case letters, digits and single hyphens, with a letter or digit at both ends"


def queue_name(text: str) -> str:
    """The name in lower case. Raises `BindingError` when no queue can be called so."""
    name = text.lower()
    if not _QUEUE.fullmatch(name):
        raise BindingError(f"'{text}' is not a queue name: it takes {_RULE}.")
    return name


def container_name(text: str) -> str:
    """The name in lower case. Raises `BindingError` when no container can be called so."""
    name = text.lower()
    if not _CONTAINER.fullmatch(name):
        raise BindingError(f"'{text}' is not a container name: it takes {_RULE}.")
    return name


def blob_name(text: str) -> str:
    """The name as it is. Raises `BindingError` when no blob can be called so, or it would leave its container."""
    if not 1 <= len(text) <= 1024:
        raise BindingError("A blob name has 1 to 1024 characters.")
    if "\\" in text or "\0" in text or text.endswith((".", "/")):
        raise BindingError(f"'{text}' is not a blob name: no backslash, and no dot or slash at the end.")
    if any(part in ("", ".", "..") for part in text.split("/")):
        raise BindingError(
            f"'{text}' is not a blob name: '.', '..' and empty parts would leave the container."
        )
    return text


def blob_path(text: str) -> tuple[str, str]:
    """Container and name of ``container/name``. Raises `BindingError` when either cannot be."""
    container, slash, name = text.partition("/")
    if not slash or not name:
        raise BindingError(f"'{text}' is not a blob path; write it as container/name.")
    return container_name(container), blob_name(name)


def blobs_path(text: str) -> tuple[str, str]:
    """Container and prefix of ``container`` or ``container/prefix``.

    Raises `BindingError` for what is no container, and for a prefix with which no blob's name begins.
    """
    container, _, prefix = text.partition("/")
    try:
        # One more character makes a name of every beginning of one, an empty one and `2026/` included.
        blob_name(f"{prefix}x").encode()
    except (BindingError, UnicodeEncodeError):
        raise BindingError(
            f"No blob has a name that begins with {prefix!r}. Write the path as container or container/prefix."
        ) from None
    return container_name(container), prefix


def sqs_queue_name(text: str) -> str:
    """The name as it is, since SQS tells upper from lower case. Raises `BindingError` when no queue of SQS can be
    called so."""
    if not _SQS_QUEUE.fullmatch(text):
        raise BindingError(
            f"'{text}' is not the name of a queue on SQS: it takes 1 to 80 letters, digits, hyphens and "
            "underscores, and ends with .fifo for a FIFO queue."
        )
    return text
