"""A plan in a file is a command line: written, kept by a run, and read to the same cells."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from benchmarks.results import Store
from benchmarks.run.__main__ import _parser, main
from benchmarks.run.plan_file import OF_THE_COMMAND_LINE, parse_with_plan
from tests.helpers.data_sets import write_dataset

OPTIONS = [
    *("--methods", "padim,patchcore-25[dims=64,squared=true]", "--image-size", "32"),
    *("--backbone", "filterbank", "--seeds", "0,3", "--shots", "2,all", "--fit", "pad"),
]


@pytest.fixture
def data(folder: Path, no_figures: None) -> Path:
    return write_dataset(Path("data dir ü"), "bar")


def keys(out: str) -> set[str]:
    return {cell.key for cell in Store(Path(out)).cells()}


def test_a_run_is_repeated_from_what_it_kept(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MVTEC_AD_ROOT", str(data))
    assert main([*OPTIONS, "--out", "first", "--save-maps"]) == 0
    monkeypatch.delenv("MVTEC_AD_ROOT")
    assert main(["--plan", "first/plan.toml", "--out", "second"]) == 0
    assert keys("first") == keys("second")
    assert len(keys("second")) == 8
    assert main(["--plan", "first/plan.toml"]) == 0
    assert "nothing left to do" in capsys.readouterr().err
    kept = tomllib.loads(Path("first/plan.toml").read_text("utf-8"))
    assert kept["data"] == str(data.absolute())
    assert kept["save-maps"] is True
    assert not {"force", "plan", "cache", "dry-run"} & {*kept}
    assert {**kept, "out": ""} == {**tomllib.loads(Path("second/plan.toml").read_text()), "out": ""}


def test_a_runs_plans_are_all_kept(data: Path) -> None:
    command = ["--data", str(data), "--backbone", "filterbank", "--image-size", "32"]
    for methods in ("padim", "spade", "padim", "spade", "padim,spade"):
        assert main([*command, "--methods", methods, "--out", "out", "--force"]) == 0
    files = sorted(path.name for path in Path("out").glob("plan*"))
    assert files == ["plan-2.toml", "plan-3.toml", "plan.toml"]
    for file in files:
        assert main(["--plan", f"out/{file}", "--out", "again"]) == 0
    assert keys("again") == keys("out")


def test_the_embedded_set_is_drawn_again_where_the_cache_was_cleared(
    folder: Path, no_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--methods", "padim", "--image-size", "32", "--categories", "washer", "--dry-run"]
    assert main([*command, "--save-plan", "plan.toml", "--cache", "elsewhere"]) == 0
    assert not Path("results").exists()
    Path("elsewhere").rename("gone")
    capsys.readouterr()
    assert main(["--plan", "plan.toml", "--dry-run"]) == 0
    assert "washer padim s0" in capsys.readouterr().out


def test_a_plan_has_all_that_the_command_line_has(folder: Path) -> None:
    """Each option, as the command line takes it and as a plan has it, gives the same."""
    texts = {
        **{"fit": "pad", "dtype": "float16", "mask-resize": "official", "regions": "original"},
        **{"interpolation": "box", "executor": "ray", "share": "objects"},
        **{"metrics": "aupimo", "augment": "flip", "tiles": "2", "contamination": "0.1"},
    }
    for action in _parser()._actions:
        name = action.option_strings[-1].removeprefix("--")
        if name in OF_THE_COMMAND_LINE:
            continue
        flag = action.nargs == 0
        text = texts.get(name, "7")
        value = "true" if flag else f"'{text}'"
        Path("plan.toml").write_text(f"{name.replace('-', '_')} = {value}\n")
        planned = vars(parse_with_plan(_parser(), ["--plan", "plan.toml"]))
        given = vars(_parser().parse_args([f"--{name}"] if flag else [f"--{name}", text]))
        assert {**planned, "plan": None} == given, name
        assert given != vars(_parser().parse_args([])), name


def test_the_command_line_counts_instead(folder: Path) -> None:
    Path("plan.toml").write_text(
        "methods = ['spade', 'padim[dims=3]']\nseeds = [4, 5]\nforce = false\njobs = 2\n"
    )
    options = parse_with_plan(_parser(), ["--seeds", "9", "--plan", "plan.toml"])
    assert (options.methods, options.seeds, options.jobs) == ("spade,padim[dims=3]", "9", 2)
    assert not options.force


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("image-sise = 3", "there is no option 'image-sise': did you mean image-size"),
        ("metods = 'padim'", "there is no option 'metods': did you mean methods"),
        ("plan = 'other.toml'", "there is no option 'plan'"),
        ("[run]\nseeds = 3", "there is no option 'run'"),
        ("seeds = []", "seeds = []: give a text, a number, or a list of these"),
        ("seeds = [[1], 2]", "seeds = [[1], 2]: give a text"),
        ("seeds = true", "seeds = True: give a text"),
        ("force = 'yes'", "force = 'yes': give true or false"),
        ("force = 1", "force = 1: give true or false"),
        ("seeds = ", "the plan can't be read (Invalid value (at end of document))"),
        (None, "the plan can't be read (No such file or directory)"),
    ],
)
def test_what_no_option_takes_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], plan: str | None, said: str
) -> None:
    if plan is not None:
        Path("plan.toml").write_text(plan)
    assert main(["--plan", "plan.toml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: plan.toml: {said}")
    assert error.count("\n") == 1


def test_a_value_that_an_option_refuses_is_named_as_on_the_command_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("plan.toml").write_text("image-size = -3\n")
    with pytest.raises(SystemExit) as stopped:
        main(["--plan", "plan.toml"])
    assert stopped.value.code == 2
    assert "--image-size: '-3' is not a positive integer" in capsys.readouterr().err
