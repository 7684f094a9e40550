"""Where an error of the app's code happened."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ....triggers.base import ErrorInfo
from ....triggers.descriptor import Problem

_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)', re.MULTILINE)


def placed(problem: Problem, error: ErrorInfo, root: Path) -> Problem:
    """The problem with the innermost line of the app's own code that its traceback names, as far as it names one."""
    for file, line in reversed(_FRAME.findall(error.traceback)):
        # Relative to the app, where a worker works.
        path = root / file
        if path.is_relative_to(root) and "site-packages" not in path.parts:
            return replace(problem, file=str(path.relative_to(root)), line=int(line))
    return problem
