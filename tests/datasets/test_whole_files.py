"""What is known to decode isn't decoded again, and no damaged file passes for that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from benchmarks.datasets import images
from benchmarks.datasets.indexing import Dataset, index
from benchmarks.errors import DataError
from tests.datasets.plain import encoded

ENDINGS = ("png", "jpg", "bmp", "tif", "webp")


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The formats of the files that are decoded to see whether they can be."""
    formats: list[str | None] = []
    original = images._check

    def check(image: Image.Image) -> None:
        formats.append(image.format)
        original(image)

    monkeypatch.setattr(images, "_check", check)
    return formats


@pytest.fixture
def root(root: Path) -> Path:
    """Of the data set of `tests/datasets/conftest.py` each image is in a format of its own."""
    for number, path in enumerate(sorted(root.glob("*/t*/*/*.png"))):
        ending = ENDINGS[number % len(ENDINGS)]
        path.with_suffix(f".{ending}").write_bytes(encoded(ending, seed=number))
        if ending != "png":
            path.unlink()
    for mask in root.glob("*/ground_truth/*/*.png"):
        Image.new("L", (40, 40), 255).save(mask)
    return root


def memory(cache: Path) -> Path:
    (path,) = cache.glob("whole-files-*")
    return path


def as_json(dataset: Dataset) -> list[object]:
    parts = [(c, c.warnings, c.left_out, c.shapes) for c in dataset.categories]
    files = [s.file for c in dataset.categories for s in (*c.train, *c.test)]
    return [parts, files, dataset.warnings]


def test_each_content_is_checked_once_and_looks_as_before(
    root: Path, tmp_path: Path, checked: list[str | None]
) -> None:
    first = index(root, cache=tmp_path)
    assert set(checked) == {"PNG", "JPEG", "BMP", "TIFF", "WEBP"}
    checked.clear()
    assert as_json(index(root, cache=tmp_path)) == as_json(first)
    root.rename(root.with_name("moved"))
    index(root.with_name("moved"), cache=tmp_path)
    assert not checked
    assert as_json(index(root.with_name("moved"))) != []
    assert checked


def test_a_new_file_is_checked_alone_and_the_others_stay_known(
    root: Path, tmp_path: Path, checked: list[str | None]
) -> None:
    index(root, ["cup"], cache=tmp_path)
    index(root, cache=tmp_path)
    (root / "cup/train/good/777.jpg").write_bytes(encoded("jpg", seed=777))
    checked.clear()
    for _ in range(2):
        index(root, cache=tmp_path)
    assert checked == ["JPEG"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("how", ["overwritten", "truncated"])
def test_a_file_that_is_damaged_after_it_was_known_is_refused(
    root: Path, tmp_path: Path, ending: str, how: str
) -> None:
    index(root, cache=tmp_path)
    path = next(root.rglob(f"t*/*/*.{ending}"))
    before, data = path.stat(), path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if how == "truncated" else bytes(len(data)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DataError) as plain:
        index(root)
    for _ in range(2):
        with pytest.raises(DataError) as remembering:
            index(root, cache=tmp_path)
        assert str(remembering.value) == str(plain.value)
    path.write_bytes(data)
    index(root, cache=tmp_path)


def test_what_is_whole_beside_a_damaged_file_is_known_after_it_is_mended(
    root: Path, tmp_path: Path, checked: list[str | None]
) -> None:
    path = next(root.rglob("t*/*/*.jpg"))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="damaged or truncated"):
        index(root, cache=tmp_path)
    path.write_bytes(data)
    checked.clear()
    index(root, cache=tmp_path)
    assert checked == ["JPEG"]


def test_what_pillow_was_told_to_accept_truncated_is_not_known_as_whole(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = next(root.rglob("t*/*/*.jpg"))
    path.write_bytes(path.read_bytes()[:-200])
    with monkeypatch.context() as lenient:
        lenient.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        index(root, cache=tmp_path)
    with pytest.raises(DataError, match="damaged or truncated"):
        index(root, cache=tmp_path)


def test_another_pillow_checks_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checked: list[str | None]
) -> None:
    index(root, cache=tmp_path)
    first = len(checked)
    monkeypatch.setattr("PIL.__version__", "99.0")
    index(root, cache=tmp_path)
    assert len(checked) == 2 * first


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00 not text", b"{}", b"0" * 64, "ß".encode("latin-1")],
)
def test_a_damaged_memory_costs_the_checks_alone(
    root: Path, tmp_path: Path, content: bytes, checked: list[str | None]
) -> None:
    expected = as_json(index(root, cache=tmp_path))
    memory(tmp_path).write_bytes(content)
    first = len(checked)
    assert as_json(index(root, cache=tmp_path)) == expected
    assert len(checked) == 2 * first
    index(root, cache=tmp_path)
    assert len(checked) == 2 * first


@pytest.mark.parametrize("how", ["a file", "a folder in its place", "read-only"])
def test_a_cache_that_cannot_be_written_costs_the_checks_alone(
    root: Path, tmp_path: Path, how: str, checked: list[str | None]
) -> None:
    cache = tmp_path / "cache"
    expected = as_json(index(root, cache=cache))
    place = memory(cache)
    place.unlink()
    if how == "a file":
        cache.rmdir()
        cache.write_text("")
    elif how == "read-only":
        cache.chmod(0o500)
        if os.access(cache, os.W_OK):
            pytest.skip("this user may write everywhere")
    else:
        (place / "inside").mkdir(parents=True)
    for _ in range(2):
        checked.clear()
        assert as_json(index(root, cache=cache)) == expected
        assert checked
    cache.chmod(0o700)


def test_the_number_of_hashes_is_bounded_and_the_latest_stay(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.datasets.whole_files.MOST", 5)
    index(root, ["cup"], cache=tmp_path)
    first = set(memory(tmp_path).read_text().split())
    index(root, ["plate"], cache=tmp_path)
    latest = set(memory(tmp_path).read_text().split())
    assert len(first) == len(latest) == 5
    (plate,) = index(root, ["plate"]).categories
    hashes = {sample.file.sha256 for sample in (*plate.train, *plate.test)}
    assert len(latest & hashes) >= 4


def test_without_a_cache_nothing_is_written(root: Path, tmp_path: Path) -> None:
    index(root)
    assert not list(tmp_path.glob("**/whole-files-*"))
