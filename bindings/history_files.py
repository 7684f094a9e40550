"""Contents of runs that are too large for a row: one file each, ``runs/<beginning of the id>/<id>.<part>``."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from .clock import new_id
from .errors import NotFound
from .file_tree import files_below
from .private_files import make_private_folder, private_opener

PARTS = ("input", "output", "log")

#: Characters of an id that name its folder: about five hours of runs.
_FOLDER_LENGTH = 6

#: Ids come back from files and archives: they must not lead out of the folder.
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{5,99}")


class RunFiles:
    """The files of one store. All of it is blocking."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, run_id: str, part: str, data: bytes) -> None:
        """Keep a content, in the place of what was there. Raises `OSError`."""
        path = self._path(run_id, part)
        make_private_folder(self.folder)
        make_private_folder(path.parent)
        draft = path.with_name(f".{new_id()}")
        try:
            with open(draft, "wb", opener=private_opener) as file:
                file.write(data)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def read(self, run_id: str, part: str) -> bytes:
        """A content. Raises `NotFound`."""
        try:
            return self._path(run_id, part).read_bytes()
        except OSError as error:
            raise NotFound(f"The {part} of run {run_id} is no longer kept.") from error

    def remove(self, run_ids: Iterable[str]) -> None:
        """Remove what is kept of these runs."""
        for run_id in run_ids:
            for part in PARTS:
                with contextlib.suppress(OSError, NotFound):
                    self._path(run_id, part).unlink()

    def sizes(self) -> dict[str, int]:
        """The bytes of the files of each run that has any."""
        found: Counter[str] = Counter()
        for path, status in files_below(str(self.folder)) if self.folder.is_dir() else ():
            found[Path(path).stem] += status.st_size
        return dict(found)

    def ids_before(self, run_id: str) -> Iterator[list[str]]:
        """The ids with a file, folder by folder, of the folders whose runs all sort before `run_id`.

        A folder that is empty is removed.
        """
        if not self.folder.is_dir():
            return
        for folder in sorted(self.folder.iterdir()):
            if folder.name >= run_id[:_FOLDER_LENGTH]:
                return
            names = {path.stem for path in folder.iterdir()}
            if names:
                yield sorted(names)
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _path(self, run_id: str, part: str) -> Path:
        if part not in PARTS or not _ID.fullmatch(run_id):
            raise NotFound(f"A run '{run_id}' has no {part} of its own.")
        return self.folder / run_id[:_FOLDER_LENGTH] / f"{run_id}.{part}"
