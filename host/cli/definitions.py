"""The definitions of an app's functions, for commands that serve none."""

from __future__ import annotations

from ...triggers.descriptor import FunctionDescriptor
from .access import inspected
from .options import App


async def functions_of(app: App) -> dict[str, FunctionDescriptor]:
    """The functions that can run, by their names in lower case. Decorated ones are asked of a worker."""
    from ..configuration import Configuration, HostOptions  # what only looks at runs need not wait for

    found = Configuration(HostOptions(root=app.root, store=app.store)).finder.find()
    functions = found.functions
    if found.script is not None:
        async with inspected(app) as host:
            functions = tuple(served.descriptor for served in host.functions)
    return {function.name.lower(): function for function in functions}
