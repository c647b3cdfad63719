"""Every format gives the same map; whatever isn't one map of finite numbers is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmarks.errors import DataError
from benchmarks.maps.reading import read_map, write_tiff

VALUES = np.arange(12).reshape(3, 4)


def written(path: Path, values: np.ndarray[Any, Any]) -> Path:
    if path.suffix.lower() in (".tiff", ".tif"):
        tifffile.imwrite(path, values, photometric="minisblack")
    elif path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez_compressed(path, anomaly_map=values)
    else:
        Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((f"map.{end}", t) for end in ("tiff", "TIF", "npy", "npz") for t in ("f2", "f4", "f8")),
        *((f"map.{end}", t) for end in ("tiff", "npy", "npz", "png") for t in ("u1", "u2")),
        *((f"map.{end}", t) for end in ("npy", "npz") for t in ("i4", ">f4")),
    ],
)
def test_every_format_gives_the_same_map(tmp_path: Path, name: str, kind: str) -> None:
    found = read_map(written(tmp_path / name, VALUES.astype(kind)))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, VALUES)


@pytest.mark.parametrize("name", ["map.tiff", "map.npy", "map.npz"])
@pytest.mark.parametrize("kind", ["f8", "i4", "u4", "i8", "u8"])
def test_what_single_precision_merges_stays_double(tmp_path: Path, name: str, kind: str) -> None:
    values = (VALUES + 2**30).astype(kind)
    found = read_map(written(tmp_path / name, values))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("values", [VALUES / 3, -VALUES * 1e-40, VALUES * 2**50, VALUES + 2**52])
def test_every_distinct_value_stays_distinct(tmp_path: Path, values: np.ndarray[Any, Any]) -> None:
    found = read_map(written(tmp_path / "map.npy", values))
    np.testing.assert_array_equal(np.argsort(found, axis=None), np.argsort(values, axis=None))
    assert len(np.unique(found)) == values.size


@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 4, 1), (1, 1, 3, 4)])
def test_axes_of_length_one_are_dropped(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = written(tmp_path / "map.npy", VALUES.reshape(shape).astype(np.float32))
    np.testing.assert_array_equal(read_map(path), VALUES)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_a_line_is_a_map(tmp_path: Path, shape: tuple[int, int]) -> None:
    assert read_map(written(tmp_path / "map.npy", np.ones(shape))).shape == shape


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("map.png", np.zeros((3, 4, 3), np.uint8), "a picture in colours (RGB)"),
        ("map.npy", np.zeros((3, 4, 2)), "3 × 4 × 2 values of type float64, not one number"),
        ("map.npy", np.zeros(12), "holds 12 values"),
        ("map.npy", np.zeros((3, 4), complex), "of type complex128"),
        ("map.tiff", np.zeros((2, 3, 4), np.float32), "holds 2 × 3 × 4 values"),
        ("map.npy", np.where(VALUES == 5, np.nan, 1.0), "1 of 12 values are NaN, infinite"),
        ("map.tiff", np.where(VALUES > 9, np.inf, 1.0), "2 of 12 values are NaN, infinite"),
        ("map.npy", np.full((3, 4), 1e300), "12 of 12 values are NaN, infinite or too large"),
        ("map.npy", np.zeros((0, 4)), "holds 0 × 4 values"),
        ("map.npy", VALUES + 2**60, "some of its int64 values differ by less than double"),
        ("map.npy", VALUES.astype("u8") + 2**63, "some of its uint64 values differ by less"),
        ("map.npy", VALUES * np.longdouble(2) ** -62 + 1, "values differ by less than double"),
    ],
)
def test_what_is_no_map_is_named(
    tmp_path: Path, name: str, values: np.ndarray[Any, Any], why: str
) -> None:
    path = written(tmp_path / name, values)
    with pytest.raises(DataError, match=re.escape(why)) as caught:
        read_map(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["map.tiff", "map.npy", "map.npz", "map.png"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, share: float) -> None:
    path = written(tmp_path / name, np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match="not a readable map") as caught:
        read_map(path)
    assert "\n" not in str(caught.value)


def test_two_arrays_and_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=VALUES, b=VALUES)
    with pytest.raises(DataError, match=r"holds 2 arrays \(a, b\); save one"):
        read_map(tmp_path / "two.npz")
    np.save(tmp_path / "object.npy", np.array([[{}]], object))
    with pytest.raises(DataError, match="not a readable map"):
        read_map(tmp_path / "object.npy")


@pytest.mark.parametrize("kind", ["f2", "f4"])
def test_what_is_written_is_read_by_others(tmp_path: Path, kind: str) -> None:
    values = (VALUES / 7).astype(kind)
    with (tmp_path / "map.tiff").open("wb") as file:
        write_tiff(file, values)
    found = tifffile.imread(tmp_path / "map.tiff")
    assert found.dtype == kind
    np.testing.assert_array_equal(found, values)
    if kind == "f4":  # Pillow knows no half precision
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "map.tiff")), values)
