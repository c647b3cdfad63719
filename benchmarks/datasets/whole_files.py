"""Which contents of files were seen to decode, by their hash: no command checks one again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import PIL
from PIL import ImageFile as PillowFile

from benchmarks.datasets.images import ImageFile, inspect
from benchmarks.errors import StorageError
from benchmarks.files import write_file

MOST = 10**6
"""Hashes that are kept at most, 65 MB."""


class WholeFiles:
    """Inspects files, and remembers in a folder which contents decode whole with this Pillow.

    The bytes are read and hashed each time, so a file that was damaged since is another content. A
    folder that can't be read or written costs the time of the checks alone.

    Args:
        folder: where the hashes are kept; None for nowhere.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = folder and folder / f"whole-files-pillow-{PIL.__version__}.txt"
        self._known, self._new = frozenset[str](), set[str]()
        if self._file:
            with suppress(OSError, UnicodeError):
                self._known = frozenset(self._file.read_text("ascii").split())

    def inspect(self, path: Path) -> ImageFile:
        """Return what reading a file once tells."""
        file = inspect(path, self._known)
        if file.shape and file.sha256 not in self._known:
            self._new.add(file.sha256)
        return file

    def keep(self) -> None:
        """Write down what was seen, unless Pillow was told to accept truncated files."""
        if self._file and self._new and not PillowFile.LOAD_TRUNCATED_IMAGES:
            hashes = [*sorted(self._new), *sorted(self._known)][:MOST]
            with suppress(StorageError):
                write_file(self._file, "\n".join(hashes).encode())
