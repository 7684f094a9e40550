"""Starts the worker. Run by path under the app's interpreter, which need not have funchost installed.

The worker's modules are imported as a package of a private name, so that none of them can be mistaken for a
module of the app, nor the other way round.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

_NAME = "funchost_worker"


def main() -> None:
    """Make the private package, connect to the host and serve it."""
    folder = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(
        _NAME, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = package
    spec.loader.exec_module(package)
    importlib.import_module(f"{_NAME}.connect").serve()


if __name__ == "__main__":
    main()
