"""Cached arrays on disk: written batch by batch, in one file or several, and read as one."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import IO, Any, cast

import numpy as np

from benchmarks.errors import StorageError
from benchmarks.features.temporary import TemporaryFile
from benchmarks.specs import ArraySpec, canonical_json

CHECKED_BYTES = 1 << 24

REMEDY = (
    "free some space, clear the cache (python -m benchmarks.features --clear) or name another "
    "folder (--cache DIR)"
)

# NumPy parses headers by `ast`, which in Python 3.11 raises SystemError where threads interleave.
_PARSING = Lock()


class DamagedArrayError(Exception):
    """An array that is truncated, changed, or not the one that its name promises."""


class JoinedArray:
    """An array (N, …) whose images lie in several arrays, one after the other.

    It is read as NumPy's are, `joined[3:7]` or `joined[[5, 1]]`; consecutive images of one array
    aren't copied.
    """

    def __init__(self, parts: Sequence[np.ndarray[Any, Any]]) -> None:
        self._parts = tuple(parts)
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape = (int(self._ends[-1]), *parts[0].shape[1:])
        self.dtype = parts[0].dtype
        self.nbytes = sum(part.nbytes for part in parts)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | Sequence[int]) -> np.ndarray[Any, Any]:
        images = np.arange(len(self))[rows]
        if images.ndim == 0:
            return self[[int(images)]][0]
        owners = np.searchsorted(self._ends, images, side="right")
        places = images - np.concatenate([[0], self._ends])[owners]
        consecutive = isinstance(rows, slice) and rows.step in (None, 1)
        if consecutive and len(images) and owners[0] == owners[-1]:
            return self._parts[owners[0]][places[0] : places[-1] + 1]
        copied = np.empty((len(images), *self.shape[1:]), self.dtype)
        for owner in np.unique(owners):
            copied[owners == owner] = self._parts[owner][places[owners == owner]]
        return copied

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.concatenate(self._parts).astype(dtype or self.dtype, copy=False)


def join(parts: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Return arrays (n, …) as one that is read like NumPy's, as it is where there is only one."""
    return parts[0] if len(parts) == 1 else cast("np.ndarray[Any, Any]", JoinedArray(parts))


def read_array(
    path: Path, spec: ArraySpec, rows: range, *, whole: bool, check: bool
) -> np.ndarray[Any, Any]:
    """Return the array (n, C, H, W) at `path` as a read-only memory map.

    Args:
        path: the array; its description lies beside it.
        spec: what it should hold.
        rows: the images that it should hold.
        whole: whether these are all images.
        check: whether to compare every byte with the checksum, too.

    Raises:
        DamagedArrayError: it is unreadable, or something else.
    """
    try:
        stored = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        with _PARSING:
            array: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedArrayError(f"unreadable ({error})") from error
    named = description_of(spec, rows, whole=whole)
    fits = isinstance(stored, dict) and {**stored, "crc32": 0} == {**named, "crc32": 0}
    if not fits or len(array) != len(rows) or array.dtype != spec.dtype:
        raise DamagedArrayError("holds something else than its name says")
    if check and _checksum(array) != stored.get("crc32"):
        raise DamagedArrayError("its bytes have changed since they were written")
    return array


def description_of(spec: ArraySpec, rows: range, *, whole: bool) -> dict[str, Any]:
    """Return what is stored beside an array: its specification and, of a part, which images."""
    return {"spec": spec.as_dict()} | ({} if whole else {"rows": [rows.start, rows.stop]})


def _checksum(array: np.ndarray[Any, Any]) -> int:
    content, value = array.reshape(-1).view(np.uint8).data, 0
    for start in range(0, len(content), CHECKED_BYTES):
        value = zlib.crc32(content[start : start + CHECKED_BYTES], value)
    return value


class ArrayWriter:
    """Writes one array batch by batch to a temporary name, renamed when it is complete.

    Plain writes instead of a writable memory map: on a full disk they raise an error, where a
    memory map would kill the process.
    """

    def __init__(self, path: Path, spec: ArraySpec, rows: range, *, whole: bool) -> None:
        self._path, self._spec, self._images = path, spec, len(rows)
        self._content = description_of(spec, rows, whole=whole)
        self._temporary: TemporaryFile | None = None
        self._written, self._crc32 = 0, 0

    def write(self, batch: np.ndarray[Any, Any]) -> None:
        """Append the features (n, C, H, W) of the next n images."""
        try:
            if self._temporary is None:
                self._temporary = TemporaryFile(self._path)
                self._begin(self._temporary.file, batch)
            content = np.ascontiguousarray(batch, self._spec.dtype).reshape(-1).view(np.uint8).data
            self._crc32 = zlib.crc32(content, self._crc32)
            self._temporary.file.write(content)
        except OSError as error:
            raise storage_error(self._path, error) from error
        self._written += len(batch)

    def close(self, *, keep: bool) -> None:
        """Let the array appear if it is to be kept and is complete; else throw it away."""
        if self._temporary is None:
            return
        temporary, self._temporary = self._temporary, None
        try:
            if keep and self._written == self._images:
                temporary.keep()
                content = canonical_json(self._content | {"crc32": self._crc32})
                with closing(TemporaryFile(self._path.with_suffix(".json"))) as description:
                    description.file.write(content.encode())
                    description.keep()
        except OSError as error:
            raise storage_error(self._path, error) from error
        finally:
            temporary.close()

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self.close(keep=kind is None)

    def _begin(self, file: IO[bytes], batch: np.ndarray[Any, Any]) -> None:
        """Write the header, and let the file have its size, which says what it still needs."""
        dtype, shape = np.dtype(self._spec.dtype), (self._images, *batch.shape[1:])
        descriptor = np.lib.format.dtype_to_descr(dtype)
        header = {"descr": descriptor, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + math.prod(shape) * dtype.itemsize)


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return what to say of an array that can't be written."""
    return StorageError(f"{path}: can't be written ({error.strerror or error}): {REMEDY}")
