"""One cached array on disk: written batch by batch, and read only as it was written."""

from __future__ import annotations

import json
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.errors import StorageError
from benchmarks.specs import ArraySpec, canonical_json

CHECKED_BYTES = 1 << 24


class DamagedArrayError(Exception):
    """An array that is truncated, changed, or of something else than its name says."""


def read_array(path: Path, spec: ArraySpec, images: int, *, check: bool) -> np.ndarray[Any, Any]:
    """Return the array (images, C, H, W) at `path` as a read-only memory map.

    Args:
        path: the array; its description lies beside it.
        spec: what it should hold.
        images: how many images it should hold.
        check: whether to compare every byte with the checksum, too.

    Raises:
        DamagedArrayError: it is unreadable, or something else.
    """
    try:
        stored = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        array: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedArrayError(f"unreadable ({error})") from error
    fits = isinstance(stored, dict) and stored.get("spec") == spec.as_dict()
    if not fits or len(array) != images or array.dtype != spec.dtype:
        raise DamagedArrayError("holds something else than its name says")
    if check and _checksum(array) != stored.get("crc32"):
        raise DamagedArrayError("its bytes have changed since they were written")
    return array


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

    def __init__(self, path: Path, spec: ArraySpec, images: int) -> None:
        self._path, self._spec, self._images = path, spec, images
        self._description = path.with_suffix(".json")
        self._temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        self._file: IO[bytes] | None = None
        self._written, self._crc32 = 0, 0

    def write(self, batch: np.ndarray[Any, Any]) -> None:
        """Append the features (n, C, H, W) of the next n images."""
        try:
            if self._file is None:
                self._file = self._open(batch.shape[1:])
            stored = np.ascontiguousarray(batch, self._spec.dtype)
            self._crc32 = zlib.crc32(stored.reshape(-1).view(np.uint8).data, self._crc32)
            stored.tofile(self._file)
        except OSError as error:
            raise storage_error(self._path, error) from error
        self._written += len(batch)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        try:
            if self._file is not None:
                self._file.close()
            if kind is None and self._written == self._images:
                self._temporary.replace(self._path)
                part = self._description.with_name(f"{self._description.name}.{os.getpid()}.tmp")
                content = {"spec": self._spec.as_dict(), "crc32": self._crc32}
                part.write_text(canonical_json(content), encoding="utf-8")
                part.replace(self._description)
        except OSError as error:
            raise storage_error(self._path, error) from error
        finally:
            with suppress(OSError):
                self._temporary.unlink(missing_ok=True)

    def _open(self, shape: tuple[int, ...]) -> IO[bytes]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._temporary.open("wb")
        descriptor = np.lib.format.dtype_to_descr(np.dtype(self._spec.dtype))
        header = {"descr": descriptor, "fortran_order": False, "shape": (self._images, *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        return file


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return what to say of an array that can't be written."""
    return StorageError(
        f"{path}: can't be written ({error.strerror or error}): free some space, clear the cache "
        "(python -m benchmarks.features --clear) or name another folder (--cache DIR)"
    )
