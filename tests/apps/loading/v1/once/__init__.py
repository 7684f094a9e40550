import importlib
import sys

# Were this module imported under a second name, this would be a second list.
runs = sys.modules.setdefault("runs_of_once", [])
runs.append(__name__)

from . import part  # noqa: E402


def main(req):
    again = importlib.import_module("__app__.once")
    return f"{runs} {again is sys.modules[__name__]} {part.parent is again}"
