"""Imports the app's modules, and says for people why one cannot be imported."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import LoadError, describe, user_traceback

#: The package that the folders of an app are modules of, so that two of them never share a name with a library.
NAMESPACE = "__app__"


@contextmanager
def importing(shown: str, root: str) -> Iterator[None]:
    """Turns whatever an import of the script `shown`, relative to `root`, raises into a `LoadError`."""
    importlib.invalidate_caches()
    try:
        yield
    except LoadError:
        raise
    except SyntaxError as error:
        raise LoadError(_syntax_message(error, root, shown), user_traceback(error)) from None
    except ImportError as error:
        raise LoadError(f"{shown}: {describe(error)}. {_import_hint(error)}", user_traceback(error)) from None
    except SystemExit as error:
        raise LoadError(
            f"{shown} calls sys.exit({error.code!r}) while it is imported. Move what should only run as a "
            'script under `if __name__ == "__main__":`.',
            user_traceback(error),
        ) from None
    except BaseException as error:
        raise LoadError(
            f"{shown} fails while it is imported: {describe(error)}", user_traceback(error)
        ) from None


def _syntax_message(error: SyntaxError, root: str, shown: str) -> str:
    file = os.path.relpath(error.filename, root) if error.filename else shown
    line = f", line {error.lineno}" if error.lineno else ""
    code = f": {error.text.strip()}" if error.text else ""
    return f"{file}{line}: {type(error).__name__}: {error.msg}{code}"


def _import_hint(error: ImportError) -> str:
    package = (error.name or "").partition(".")[0]
    if package == NAMESPACE:
        return "The app has no such module."
    if isinstance(error, ModuleNotFoundError) and package:
        return (
            f"Add the package that provides {package!r} to requirements.txt and install it for the interpreter "
            f"that runs the app, {sys.executable} (https://aka.ms/functions-modulenotfound tells more)."
        )
    return "If this concerns an installed package, check its version in requirements.txt."
