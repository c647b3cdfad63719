"""Where things lie: runs, the runs beside them, their plots, their reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.places import written_path


def find_run(name: str) -> Path:
    """Return the folder of run `name`: a folder itself, or a name under results/.

    Raises:
        BenchmarkError: neither holds cells or a metrics.csv.
    """
    for folder in (written_path(name), Path("results") / name) if name else ():
        if (folder / "metrics.csv").is_file() or any((folder / "cells").glob("[!.]*/[!.]*.json")):
            return folder
    raise BenchmarkError(
        f"no cells and no metrics.csv in {name} or results/{name}; python -m benchmarks.run writes "
        "some"
    )


def plots_folder(run: Path) -> Path:
    """Return where a run's figures belong: inside the run, or plots/NAME beside results/.

    A run whose folder nobody named lies in results/ and has them in the plots/ beside it.
    """
    whole = run if run.parent.name else run.resolve()
    if whole.parent.name == "results" and not (run / "plots").is_dir():
        return whole.parent.parent / "plots" / whole.name
    return run / "plots"


def default_run(dataset: str, backbone: str, image_size: int) -> Path:
    """Return the folder of a run: results/<data set>-<backbone>-<image size>."""
    return Path("results") / f"{dataset}-{backbone.replace('/', '-')}-{image_size}"


def find_runs_beside(run: Path, kind: str) -> list[Path]:
    """Return `run` and the runs beside it that have a folder of that name."""
    return sorted({run, *(path.parent for path in run.parent.glob(f"*/{kind}"))})


def report_path(runs: Sequence[Path]) -> Path:
    """Return where the report of one run, or of two, belongs: in the first's folder."""
    first, *others = runs
    names = ["report", *(run.resolve().name for run in others)]
    return first / f"{'-against-'.join(names)}.html"
