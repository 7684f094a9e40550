"""Times that are constants of the host, shortened in hosts that a test starts, so that it need not wait for them.

    env = with_constants(tmp_path, {"funchost.bindings.queue.LEASE": "timedelta(seconds=2)"})
    with RunningHost(app.root, env={**faults.env, **env}) as host: ...

A `sitecustomize` on the path of that host alone sets them before anything of funchost is imported, so they hold
also where they are the default of a parameter. Nothing in the host is made for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

#: Only in the host: workers, which have the same environment, import nothing of it.
_SITE = """
import sys
from datetime import timedelta

if "start" in sys.orig_argv:
    from importlib import import_module

    for name, value in {constants}:
        module, _, constant = name.rpartition(".")
        if not hasattr(import_module(module), constant):
            raise LookupError(name)
        setattr(import_module(module), constant, eval(value))
"""


def with_constants(folder: Path, constants: Mapping[str, str]) -> dict[str, str]:
    """The environment for a host in which constants, by module and name, have the values of these expressions."""
    site = folder / "constants"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(_SITE.format(constants=list(constants.items())))
    return {"PYTHONPATH": str(site)}


def short_leases(folder: Path, seconds: float = 2.0) -> dict[str, str]:
    """Messages are hidden for this long when they are received or renewed, in place of 10 minutes (or 30 s on SQS)."""
    lease = f"timedelta(seconds={seconds})"
    names = ("funchost.bindings.queue.LEASE", "funchost.bindings.aws.sqs_client.SHORTEST_LEASE")
    return with_constants(folder, dict.fromkeys(names, lease))
