"""What connections are while the host runs on an emulator: each leads there, and none to anybody's account."""

from __future__ import annotations

from ...bindings.storage import ConnectionSettings
from .connection import HOST_STORAGE, Connection, provided

#: The bucket for what hosts share.
BUCKET = "funchost"

#: The region of connections that name none.
REGION = "us-east-1"


def emulated(connection: Connection, url: str) -> Connection:
    """The connection as it is with the emulator at `url`: what would be embedded or AWS leads to it.

    One that names an endpoint of its own is left alone.
    """
    settings = connection.settings
    if connection.kind not in ("embedded", "aws") or (connection.kind == "aws" and settings is None):
        return connection
    values = dict(settings.values) if settings else {}
    if "endpointurl" in values:
        return connection
    values.pop("profile", None)
    values = {"region": REGION, "bucket": BUCKET, **values}
    values |= {"endpointurl": url, "createqueues": "true", "createbuckets": "true", "emulated": "true"}
    name = connection.name.strip() or HOST_STORAGE
    return provided(connection, "aws", ConnectionSettings(name=name, setting=name, values=values))
