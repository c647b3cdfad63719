"""Wherever it is started: any encoding, any reader, any home, any folder."""

from __future__ import annotations

import codecs
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import console
from benchmarks.console import run_program, say, show
from benchmarks.evaluation import provenance
from benchmarks.places import (
    LIBRARIES,
    default_folder,
    settle_environment,
    user_cache,
    written_path,
)
from benchmarks.results.published import Published
from tests.end_to_end.test_imports import COMMANDS
from tests.helpers.data_sets import write_dataset

SOURCE = Path(__file__).parents[2]
NOBODY = "import pwd\ndef unknown(uid): raise KeyError(uid)\npwd.getpwuid = unknown\n"


def start(code: str, cwd: Path, unset: tuple[str, ...] = (), **environment: str) -> list[str]:
    """Run code in a process of its own; return its exit status, output and errors."""
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", **environment}
    for name in {"MVTEC_AD_ROOT", *unset}.difference(environment):
        env.pop(name, None)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, check=False)
    streams = (done.stdout, done.stderr)
    return [str(done.returncode), *(stream.decode("latin-1") for stream in streams)]


def run(*arguments: str) -> str:
    """Return code that is a call of the main command."""
    return f"import sys\nfrom benchmarks.run.__main__ import main\nsys.exit(main({[*arguments]!r}))"


def tiny(*arguments: str) -> str:
    return run("--backbone", "filterbank", "--image-size", "32", "--methods", "padim", *arguments)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_a_stream_of_any_encoding_takes_everything(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", written)

    def program() -> int:
        show("98.1 ± 0.2 – ≥ 3 Σ 螺丝 \udcff")
        return 0

    assert run_program(program) == 0
    text = written.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert text.startswith("98.1 +/- 0.2 - >= 3" if encoding == "ascii" else "98.1 ±")
    assert "\\u87ba\\u4e1d" in text
    assert "\\udcff" in text


@given(st.text())
def test_no_text_stops_a_stream_of_ascii(text: str) -> None:
    codecs.register_error("plain", console._plain)
    assert len(text.encode("ascii", errors="plain")) >= len(text)


def test_a_reader_that_has_had_enough_stops_nothing() -> None:
    code = (
        "import os, sys\nfrom benchmarks.console import *\n"
        "def program():\n"
        "    for _ in range(3):\n"
        "        show('a' * 100_000)\n"
        "        say('b' * 100_000)\n"
        "    os.write(int(sys.argv[1]), b'done')\n"
        "    return 7\n"
        "sys.exit(run_program(program))"
    )
    ours, theirs = os.pipe()
    ends = [os.pipe() for _ in range(2)]
    for reader, _ in ends:
        os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", code, str(theirs)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=ends[0][1],
        stderr=ends[1][1],
        pass_fds=[theirs],
        check=False,
    )
    assert done.returncode == 7
    assert os.read(ours, 10) == b"done"
    for end in (ours, theirs, ends[0][1], ends[1][1]):
        os.close(end)


@pytest.mark.parametrize("module", ["run --help", "run --list", "datasets", "tables --help"])
def test_output_into_a_closed_pipe_is_silent(module: str, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", *f"benchmarks.{module}".split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_onto_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.run", "--list"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "error: the output can't be written: No space left on device\n"


def test_closed_streams_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    say("nothing")
    show("nothing")
    assert not console.on_terminal()
    assert run_program(lambda: 3) == 3


@pytest.mark.slow
def test_a_tilde_is_the_home_wherever_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert written_path("~/x") == tmp_path / "x"
    monkeypatch.setenv("TOTAL_RECALL_CACHE", "~/cache")
    assert default_folder() == tmp_path / "cache"
    write_dataset(tmp_path / "x", "part")
    status, out, err = start(
        tiny("--data=~/x", "--cache=~/kept", "--out=~/mine"), tmp_path, HOME=str(tmp_path)
    )
    assert (status, "Traceback" in err) == ("0", False)
    assert (tmp_path / "mine/metrics.csv").is_file()
    assert list((tmp_path / "kept/features").glob("*.npy"))
    assert "part" in out
    named = start(tiny("--dry-run"), tmp_path, HOME=str(tmp_path), MVTEC_AD_ROOT="~/x")
    assert named[0] == "0"
    assert "part padim s0" in named[1]


def test_the_users_cache_is_at_home_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache("torch") == tmp_path / ".cache" / "torch"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert user_cache("torch") == tmp_path / "other" / "torch"


@pytest.mark.parametrize("home", ["/dev/null/none", "in/the/way"])
def test_without_a_home_the_cache_is_the_users_own_temporary_folder(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("TOTAL_RECALL_CACHE", raising=False)
    monkeypatch.setenv("HOME", home)
    own = tmp_path / f"total-recall-bench-{os.getuid()}"
    assert default_folder() == own / "total-recall-bench"
    assert own.stat().st_mode & 0o777 == 0o700
    for variable in LIBRARIES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TORCH_HOME", "chosen")
    settle_environment()
    assert os.environ["MPLCONFIGDIR"] == str(own / "matplotlib")
    assert os.environ["TORCH_HOME"] == "chosen"


def test_without_any_folder_the_cache_is_one_line(tmp_path: Path) -> None:
    unset = ("HOME", "XDG_CACHE_HOME", "TOTAL_RECALL_CACHE", *LIBRARIES)
    nowhere = "import tempfile\ntempfile.tempdir = '/dev/null/none'\n"
    status, _, err = start(NOBODY + nowhere + tiny("--dry-run"), tmp_path, unset)
    assert status == "2"
    assert err.splitlines()[-1].startswith("error: /dev/null/total-recall-bench-")
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_user_without_name_and_home_can_run(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", "part")
    unset = ("HOME", "XDG_CACHE_HOME", "TOTAL_RECALL_CACHE", *LIBRARIES)
    code = NOBODY + tiny("--data", "data", "--out", "out")
    (tmp_path / "tmp").mkdir()
    status, out, err = start(code, tmp_path, unset, TMPDIR=str(tmp_path / "tmp"))
    assert (status, "Traceback" in err) == ("0", False), err
    assert "part" in out
    assert {path.name for path in tmp_path.iterdir()} == {"data", "out", "tmp"}


def test_compiled_functions_work_where_nothing_can_be_kept(tmp_path: Path) -> None:
    module = tmp_path / "site" / "kept.py"
    module.parent.mkdir()
    module.write_text(
        "from methods.components.compiled import compiled\n"
        "@compiled()\ndef double(x):\n    return 2 * x\n"
    )
    (module.parent / "__pycache__").write_text("in the way, as if read-only")
    path = f"{module.parent}{os.pathsep}{SOURCE}"
    code = "from kept import double\nprint(double(21), bool(double.stats.cache_path))"
    unset = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    lost = start(code, tmp_path, unset, HOME="/dev/null/none", PYTHONPATH=path)
    assert lost[:2] == ["0", "42 False\n"]
    kept = start(code, tmp_path, unset, NUMBA_CACHE_DIR=str(tmp_path / "numba"), PYTHONPATH=path)
    assert kept[:2] == ["0", "42 True\n"]


def test_the_published_numbers_lie_in_the_package() -> None:
    import benchmarks
    from benchmarks.results.published import FILE

    assert FILE.is_relative_to(Path(benchmarks.__file__).parent)
    assert Published.load().main("patchcore-25", "image_auroc", "mean") == 99.1


INTERRUPTED = """
import builtins, os, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
plain, sys.argv = builtins.__import__, ["-m"]
def interrupted(name, *more, **named):
    if name == {name!r}:
        os.kill(os.getpid(), signal.SIGINT)
    return plain(name, *more, **named)
builtins.__import__ = interrupted
runpy.run_module("benchmarks.{command}", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("command", "name"),
    [*((command, "benchmarks.console") for command in COMMANDS), ("run", "methods")],
)
def test_an_interrupt_while_python_imports_is_one_line(
    command: str, name: str, tmp_path: Path
) -> None:
    code = INTERRUPTED.format(command=command.replace("-", "_"), name=name)
    assert start(code, tmp_path) == ["130", "", "interrupted\n"]


def test_an_interrupt_of_the_importing_program_is_its_own(tmp_path: Path) -> None:
    code = (
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import benchmarks\nprint(signal.getsignal(signal.SIGINT).__name__)"
    )
    assert start(code, tmp_path)[1] == "default_int_handler\n"


def test_processes_start_deaf_to_the_terminals_interrupts(tmp_path: Path) -> None:
    code = (
        "import signal\nfrom benchmarks.processes import standing_back\n"
        "def masks(pool):\n"
        "    asked = signal.SIG_BLOCK, []\n"
        "    theirs = pool.submit(signal.pthread_sigmask, *asked).result()\n"
        "    return signal.SIGINT in theirs, signal.SIGINT in signal.pthread_sigmask(*asked)\n"
        "pool = standing_back('json')\nprint(masks(pool))\npool.shutdown()"
    )
    assert start(code, tmp_path)[:2] == ["0", "(True, False)\n"]


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_the_revision_is_the_projects_whatever_git_is_told(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = provenance.git_sha.__wrapped__()
    monkeypatch.setenv(variable, str(tmp_path))
    assert provenance.git_sha.__wrapped__() == revision != ""


def test_empty_variables_are_unset_ones(tmp_path: Path) -> None:
    names = ("HOME", "XDG_CACHE_HOME", "TOTAL_RECALL_CACHE", "MVTEC_AD_ROOT", *LIBRARIES)
    empty = dict.fromkeys((*names, "MPLBACKEND", "TMPDIR"), "")
    code = (
        "import argparse, os, pwd\nfrom benchmarks import options\n"
        "from benchmarks.console import run_program, show\n"
        "def program():\n"
        "    parser = argparse.ArgumentParser()\n"
        "    options.add_data(parser)\n"
        "    chosen = parser.parse_args([])\n"
        "    show(str(chosen.cache.is_relative_to(pwd.getpwuid(os.getuid()).pw_dir)))\n"
        "    return 0\n"
        "raise SystemExit(run_program(program))"
    )
    assert start(code, tmp_path, **empty) == ["0", "True\n", ""]
    status, _, err = start(tiny("--dry-run"), tmp_path, **empty)
    assert (status, "SYNTHETIC DATA" in err) == ("0", True)


def test_an_empty_path_is_refused(tmp_path: Path) -> None:
    status, _, err = start(tiny("--data", ""), tmp_path)
    assert (status, "argument --data: the path is empty" in err) == ("2", True)
    code = "from benchmarks.tables.__main__ import main\nraise SystemExit(main(['']))"
    status, _, err = start(code, tmp_path)
    assert (status, err.startswith("error: no cells")) == ("2", True)


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense"])
def test_figures_are_drawn_whatever_a_notebook_tells_matplotlib(
    backend: str, tmp_path: Path
) -> None:
    code = (
        "from benchmarks.console import run_program, show\n"
        "def program():\n"
        "    import matplotlib\n"
        "    show(matplotlib.get_backend())\n"
        "    return 0\n"
        "raise SystemExit(run_program(program))"
    )
    assert start(code, tmp_path, MPLBACKEND=backend) == ["0", "agg\n", ""]
