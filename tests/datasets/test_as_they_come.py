"""Folders as they come: other spellings, archives, dead links, what systems leave beside images."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.datasets.__main__ import main
from benchmarks.datasets.indexing import index
from tests.datasets.plain import save
from tests.datasets.reading import problem
from tests.helpers.data_sets import write_dataset


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"train": "Train", "test": "Test"}, ["Train: call it train", "Test: call it test"]),
        ({"train": "TRAIN"}, ["TRAIN: call it train"]),
        ({"train/good": "train/Good"}, ["train/Good: call it good"]),
        ({"test/good": "test/GOOD"}, ["test/GOOD: call it good"]),
        ({"ground_truth": "Ground Truth"}, ["Ground Truth: call it ground_truth"]),
        ({"ground_truth": "groundtruth"}, ["groundtruth: call it ground_truth"]),
    ],
)
def test_folders_in_other_letters_are_named(
    names: dict[str, str], told: list[str], tmp_path: Path
) -> None:
    part = write_dataset(tmp_path, "part") / "part"
    for name, other in names.items():
        (part / name).rename(part / other)
    message = problem(tmp_path)
    assert all(f"{part / line}, or it isn't read" in message for line in told)
    assert message.count("\n") == (len(told) if len(told) > 1 else 0)


def test_a_category_in_other_letters_as_root_points_to_its_parent(tmp_path: Path) -> None:
    part = write_dataset(tmp_path, "part") / "part"
    for name in ("train", "test"):
        (part / name).rename(part / name.title())
    assert "is itself a category folder" in problem(part)


@pytest.mark.parametrize("name", ["mvtec.tar.xz", "bottle.ZIP", "cable.7z", "all.tgz"])
def test_archives_are_to_be_unpacked(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK\3\4")
    assert f"(first unpack {name})" in problem(tmp_path)
    assert "an archive; unpack it" in problem(tmp_path / name)
    write_dataset(tmp_path, "part")
    assert f"available: part (first unpack {name})" in problem(tmp_path, "bottle")


def test_what_was_unpacked_is_no_archive_left(tmp_path: Path) -> None:
    write_dataset(tmp_path, "part")
    (tmp_path / "part.tar.xz").write_bytes(b"packed")
    assert "first unpack" not in problem(tmp_path, "bottle")


def test_archives_in_place_of_folders_are_named(tmp_path: Path) -> None:
    part = write_dataset(tmp_path, "part") / "part"
    (part / "test/dents.zip").write_bytes(b"PK\3\4")
    (category,) = index(tmp_path).categories
    assert "test/dents.zip left out: an archive; unpack it" in category.warnings
    (part / "train").rename(tmp_path / "away")
    (part / "train.zip").write_bytes(b"PK\3\4")
    assert "no images; put the nominal images there (first unpack train.zip)" in problem(tmp_path)


def test_a_folder_too_high_names_the_one_below(tmp_path: Path) -> None:
    write_dataset(tmp_path / "mvtec", "part")
    assert f"pass {tmp_path / 'mvtec'}, which does" in problem(tmp_path)


def test_dead_links_are_named(tmp_path: Path) -> None:
    part = write_dataset(tmp_path / "data", "part") / "part"
    (tmp_path / "data/cable").symlink_to("/nowhere/cable")
    (part / "test/dents").symlink_to("gone")
    dataset = index(tmp_path / "data")
    assert "cable: left out: a link to /nowhere/cable, which isn't there" in dataset.warnings
    (line,) = dataset.categories[0].warnings
    assert line == "test/dents left out: a link to gone, which isn't there"
    image = next((part / "train/good").iterdir())
    image.rename(tmp_path / "kept.png")
    image.symlink_to("moved.png")
    told = f"{image}: a link to moved.png, which isn't there; bring it there or remove the link"
    assert problem(tmp_path / "data") == told
    image.unlink()
    (part / "train").rename(tmp_path / "away")
    (part / "train").symlink_to("away")
    assert f"{part / 'train'} is a link to away, which isn't there" in problem(tmp_path / "data")
    (tmp_path / "link").symlink_to("nowhere")
    assert "a link to nowhere, which isn't there" in problem(tmp_path / "link")
    (tmp_path / "loop").symlink_to("loop")
    assert "a link to loop, which isn't there" in problem(tmp_path / "loop")


def test_a_data_set_is_called_as_its_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path / "store/8f3c0d", "part")
    (tmp_path / "bolts").symlink_to("store/8f3c0d")
    monkeypatch.chdir(tmp_path)
    for root in (Path("bolts"), tmp_path / "bolts", Path("store/../bolts")):
        assert index(root).name == "bolts"
    assert index(Path("store/8f3c0d")).name == "8f3c0d"
    assert index(Path("bolts")).place == index(Path("store/8f3c0d")).place


def test_what_systems_leave_beside_images_is_no_image(tmp_path: Path) -> None:
    part = write_dataset(tmp_path, "part") / "part"
    before = index(tmp_path)
    for folder in (tmp_path, part, part / "train/good", part / "test", part / "test/good"):
        for name in ("._000.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
            (folder / name).write_bytes(b"\0\5\x16\7")
        (folder / "000.png:Zone.Identifier").write_text("[ZoneTransfer]")
        for name in ("__MACOSX", "@eaDir", "lost+found", ".ipynb_checkpoints"):
            save(folder / name / "000.png")
    after = index(tmp_path)
    assert after == before
    assert after.warnings == before.warnings
    assert after.categories[0].warnings == before.categories[0].warnings


def test_the_check_names_what_isnt_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert main([str(tmp_path / "link")]) == 2
    assert "a link to nowhere, which isn't there" in capsys.readouterr().err
