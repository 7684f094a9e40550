"""Which values are nobody else's business, by the look of their names and of themselves."""

from __future__ import annotations

import re

_NAME = re.compile(
    r"key|secret|passw|passphrase|pwd|token|credential|connection_?str|\bsas\b|_sas|dsn|private",
    re.IGNORECASE,
)
#: What connection strings and addresses hold that open something.
_VALUE = re.compile(
    r"(accountkey|sharedaccesskey|sharedaccesssignature|password|pwd|sig|secret)\s*=|://[^/\s:@]*:[^/\s@]+@",
    re.IGNORECASE,
)
_CONNECTION = re.compile(
    r"^connectionstrings(:|__)|connection$|^azurewebjobs(?!\w*__)\w*storage$", re.IGNORECASE
)
#: What says nothing to anyone.
_HARMLESS = re.compile(r"\s*|usedevelopmentstorage=true;?|true|false|\d{1,4}", re.IGNORECASE)


def looks_secret(name: str, value: str) -> bool:
    """Whether a setting may hold a key, a password or a connection string."""
    if _HARMLESS.fullmatch(value):
        return False
    # Of `Orders__region` only the last part says what it is.
    last = re.split(r"__|:", name)[-1]
    return bool(_NAME.search(last) or _CONNECTION.search(name) or _VALUE.search(value))
