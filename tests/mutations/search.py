"""Faults of the exact searches, planted in a copy of the sources, and the tests that catch them.

Each is a text of a file and what replaces it. Tests run in a process of their own, which finds the
copy before the original; what takes long to import is imported once, before processes part.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss  # noqa: F401
import hypothesis  # noqa: F401
import numba  # noqa: F401
import pytest
import torch

from tests.helpers.paths import ROOT

COPIED = ("methods", "tests/methods", "tests/helpers")
FILES = ("tests/__init__.py", "tests/conftest.py", "tests/adversarial_bounds.py", "pyproject.toml")
COMPONENTS, TESTS = "methods/components", "tests/methods/components"

# Which tests run with a fault: a file's name, and a part of the tests' names.
RATIONAL = ("test_allowances.py", "cover or loses or cut_off")
LIMIT = ("test_allowances.py", "limit")
WORST = ("test_allowances.py", "worst_product or looked_for")
TIES = ("test_against_plain.py", "equally")
PLAIN = ("test_against_plain.py", "noise or clusters or range or equally")


@dataclass(frozen=True)
class Fault:
    """A fault in `methods/components`.

    Attributes:
        name: what is wrong.
        file: in which module.
        old: a text that occurs there once.
        new: what stands there instead.
        tests: the file, and a part of the names, of the tests that run with it.
        proof: why nothing can see it, where that is so.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, str]
    proof: str = ""


# fmt: off
FAULTS = [
    # An allowance too small
    Fault("slack × 0.1", "bounds", "slack = terms * unit *", "slack = 0.1 * terms * unit *",
          RATIONAL),
    Fault("slack × 0.1, as searches see it", "bounds", "slack = terms * unit *",
          "slack = 0.1 * terms * unit *", WORST),
    Fault("slack halved on a CPU", "bounds", "CORES = 2.0**-23,", "CORES = 2.0**-24,", RATIONAL),
    Fault("slack of a GPU that rounds as a CPU", "bounds", "2.0**-23, 2.0**-21",
          "2.0**-23, 2.0**-23", RATIONAL),
    Fault("slack of float64 × 0.1", "bounds", "unit, tiny = 2.0**-50, 0.0",
          "unit, tiny = 0.1 * 2.0**-50, 0.0", RATIONAL),
    Fault("nothing for numbers flushed to zero", "bounds", "2.0**-125", "0.0", RATIONAL),
    Fault("INFLATION = 1", "bounds", "INFLATION = 1 + 2.0**-20", "INFLATION = 1.0", RATIONAL),
    Fault("reach × 0.1", "bounds", "reach = (reduced_queries.error + error) *",
          "reach = 0.1 * (reduced_queries.error + error) *", RATIONAL),
    Fault("reach of the query alone", "bounds", "(reduced_queries.error + error)",
          "reduced_queries.error", RATIONAL),
    Fault("unsure = 0 for the rest", "bounds",
          "unsure = off * most + away / torch.maximum(rest, away.sqrt())",
          "unsure = 0.0 * away / torch.maximum(rest, away.sqrt())", RATIONAL),
    Fault("unsure × 0.1 where a device reduces", "bounds", "return (min(dims, TERMS) +",
          "return 0.1 * (min(dims, TERMS) +", RATIONAL),
    Fault("rounding to the bounds' precision left out", "bounds",
          "torch.linalg.vector_norm(exact - wide, dim=1) + unsure", "0.0 + unsure", RATIONAL),
    Fault("a device's coreset trusts products", "coreset_device",
          "- self.norms[rows] + slack", "- self.norms[rows] - slack", WORST),
    Fault("slack of whole vectors × 0.1", "neighbours", "slack = terms * SUMMED",
          "slack = 0.1 * terms * SUMMED", WORST),
    # A bound not widened
    Fault("a bound's own rounding left out", "bounds", " / (1 + self.eps)", "", RATIONAL),
    Fault("a bound's reach left out", "bounds", " - self.reach", "", RATIONAL),
    Fault("a bound's slack left out", "bounds", "bounds.double() - self.slack", "bounds.double()",
          RATIONAL),
    Fault("a limit without slack", "kernels", " + allowance.slack[query]", "", LIMIT),
    Fault("a limit without reach", "kernels", " + allowance.reach[query]", "", LIMIT),
    Fault("a limit without its rounding", "kernels", " * (1 + allowance.eps)", "", LIMIT),
    Fault("a limit of float32 that leaves itself out", "kernels", "else bits + 1", "else bits",
          LIMIT),
    Fault("a limit of bfloat16 that leaves itself out", "kernels", "(bits >> 16) + 1", "bits >> 16",
          LIMIT),
    Fault("what was left off taken for its bound", "shortlist",
          "Allowance(reach[..., None], slack[..., None], eps).distances(values)",
          "values.double().clamp(min=0).sqrt()", WORST),
    # A candidate too few
    Fault("the last block of bounds is not looked at", "kernels", "in range(blocks)",
          "in range(blocks - 1)", PLAIN),
    Fault("the last row of a block is not compared", "kernels",
          "if row_bounds[row] < below:", "if row_bounds[row] < below and row < end - 1:", PLAIN),
    Fault("the last point of a block is not lowered", "kernels",
          "squared[row] >= 0:", "squared[row] >= 0 and row < end - 1:",
          PLAIN),
    Fault("a list without its last row", "shortlist", "smallest.indices[..., :count], smallest",
          "smallest.indices[..., : count - 1], smallest", WORST),
    Fault("what groups leave off forgotten", "shortlist", "torch.minimum(beyond, beyond_inside)",
          "beyond_inside", WORST),
    Fault("what is left off inside groups forgotten", "shortlist",
          "torch.minimum(beyond, beyond_inside)", "beyond", WORST),
    Fault("what earlier parts left off forgotten", "shortlist",
          "torch.minimum(self.least, other.least)", "other.least", WORST),
    Fault("only the likeliest rows compared", "shortlist", "in (k, lists.rows.shape[1])",
          "in (k,)", WORST),
    Fault("a block of training images not compared", "correspondence",
          "for block in _slices(len(self._features), max(1, room, tested)):",
          "for block in list(_slices(len(self._features), max(1, room, tested)))[:1]:", PLAIN),
    Fault("some channels not compared", "correspondence",
          "_slices(self._features.shape(level)[0], VECTOR * max(1, room)):",
          "[slice(0, VECTOR * max(1, room))]:", PLAIN),
    Fault("a retrieved image left out", "correspondence", "retrieved.unique().tolist()",
          "retrieved.unique().tolist()[1:]", PLAIN),
    Fault("centres skipped that only some points know", "coreset", "self._compared[block[0]]",
          "self._compared[block[-1]]", PLAIN),
    Fault("one row too few of several", "neighbours", "values, order = values.topk(count, largest",
          "values, order = values.topk(k - 1, largest", WORST),
    # A tie broken the other way
    Fault("of equally near rows the last compared", "kernels", "if distance < squared[query]:",
          "if distance <= squared[query]:", TIES),
    Fault("of equally near rows the first compared", "kernels",
          "first_row + row < rows[query]", "False", TIES),
    Fault("of equally near rows brute force's last", "screening",
          "((squared == known) & first)", "(squared == known)", TIES),
    Fault("a device's list in the order of bounds", "shortlist",
          "rows, order = lists.rows.long().sort(dim=1)",
          "rows = lists.rows.long(); order = torch.zeros_like(rows).cumsum(1) + torch.arange("
          "rows.shape[1], device=rows.device)", TIES),
    Fault("a point at the barrier is chosen", "kernels", "best >= barrier", "best > barrier", TIES),
    Fault("no barrier", "coreset", "if len(ties) > room else count", "if False else count", TIES),
    Fault("a pool in the order of clusters", "coreset",
          "members[self._order[members].argsort()]", "members", TIES),
    Fault("equal bounds in the order of clusters", "coreset",
          "ties[self._order[ties].argsort()]", "ties", TIES),
    Fault("a device's pool in the order of bounds", "coreset_device",
          "farthest.indices[: sizes.pool].sort()[0]", "farthest.indices[: sizes.pool]", TIES),
    Fault("a device chooses beyond the barrier", "coreset_device",
          "(heights == ceiling) & (centres < barrier)", "(heights == ceiling)", TIES),
    # A refinement left out
    Fault("given-up queries not searched by brute force", "screening", "if given_up.any():",
          "if False:", PLAIN),
    Fault("no search by all differences", "shortlist", "    yield bank.rows, LISTED",
          "    return", WORST),
    Fault("a pool that has not caught up", "coreset", "state.catch_up(pool.members)", "pass",
          PLAIN),
    Fault("a device's points not lowered between pools", "coreset_device",
          "centred.lower(distances[rows], rows, chosen)", "pass", PLAIN),
    # An unsure case taken for sure
    Fault("BELOW = 1 + 2⁻¹⁰", "shortlist", "BELOW = 1 - 2.0**-22", "BELOW = 1 + 2.0**-10", WORST),
    Fault("NEARLY = 1 - 2⁻¹⁰", "neighbours", "NEARLY = 1 - 2.0**-24", "NEARLY = 1 - 2.0**-10",
          WORST),
    Fault("no query is open", "shortlist", "(least < distances[:, -1]).nonzero()",
          "(least < 0).nonzero()", WORST),
    Fault("no query is given up", "kernels", "given_up[query] = True", "given_up[query] = False",
          PLAIN),
    Fault("no query of whole vectors is given up", "neighbours",
          "unsure |= torch.from_numpy(given_up)", "unsure |= torch.from_numpy(given_up) & False",
          WORST),
    Fault("several rows of whole vectors taken for sure", "neighbours",
          "least < distances[:, k - 1] * NEARLY", "least < -1e30", WORST),
    Fault("the farthest of a pool taken for the farthest", "coreset",
          "ceiling = max(0.0, float(self.bounds.topk(size + 1, sorted=False).values.min()))",
          "ceiling = 0.0", PLAIN),
    Fault("a device's farthest of a pool taken for the farthest", "coreset_device",
          "ceiling = outside.clamp(min=0)", "ceiling = outside * 0", PLAIN),
    Fault("a device never computes differences", "coreset_device",
          "if len(unsure):", "if False:", WORST),
]

EQUIVALENT = [
    Fault("unsure = 0 for whole vectors", "bounds", "torch.zeros_like(squared), 2.0**-53 * lengths",
          "torch.zeros_like(squared), 0.0 * lengths", RATIONAL,
          "With u = 2⁻⁵³, a mean's subtraction moves a bound by 4u(|q|² + |b|²) at most. The slack "
          "of 8 terms or more has to spare: 48u of it in float64, 2⁻⁴⁰ in float32 by INFLATION."),
    Fault("reach of whole vectors left out", "neighbours", "reach = 2.0**-23 * (",
          "reach = 0.0 * (", WORST,
          "Centring moves a bound by 4·2⁻²⁴·(|q|² + |b|²) at most. The slack is 4d + 16 of those; "
          "the sums of d + 2 and of d numbers take 3d + 4, which leaves d + 12."),
    Fault("no search by bounds of whole vectors", "shortlist",
          "        yield Bank.of(bank.rows, bank.reduction.whole(torch.float32)), LISTED", "",
          WORST,
          "Queries that a longer list leaves open are then searched by all differences at once."),
    Fault("centres not compared with points around them", "coreset",
          "clusters.spread(state, pool.ceiling * sizes.worthwhile)", "pass", PLAIN,
          "It only lowers upper bounds earlier: a pool is compared with all centres in any case."),
]
# fmt: on


def copy_sources(folder: Path) -> None:
    """Copy what the searches and their tests need, with times and compiled functions."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name)
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)


def plant(fault: Fault, folder: Path) -> None:
    """Plant a fault in copied sources; AssertionError where its text isn't there once."""
    file = folder / COMPONENTS / f"{fault.file}.py"
    text = file.read_text()
    assert text.count(fault.old) == 1, f"{fault.name}: not once in {file.name}: {fault.old}"
    file.write_text(text.replace(fault.old, fault.new))


def failure(folder: Path, tests: tuple[str, str]) -> str | None:
    """Run tests of copied sources; return the name of the first that fails, None if none does."""
    log = folder / "log"
    process = multiprocessing.get_context("fork").Process(target=_run, args=(folder, tests, log))
    process.start()
    process.join()
    text = log.read_text()
    assert process.exitcode in (0, 1), f"tests did not run:\n{text}"
    failed = re.search(r"^FAILED [^:]*::(\S+)", text, re.MULTILINE)
    return failed[1] if failed else None


def _run(folder: Path, tests: tuple[str, str], log: Path) -> None:
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        for name in list(sys.modules):
            if name.split(".")[0] in {"methods", "tests"}:
                del sys.modules[name]
        torch.set_num_threads(1)
        name, part = tests
        options = ["-n", "0", "-q", "-x", "--tb=short", "-m", "", "-p", "no:cacheprovider"]
        status = pytest.main([f"{TESTS}/{name}", "-k", part, *options])
        sys.stdout.flush()
    os._exit(int(status))


def caught_by(fault: Fault, clean: Path, folder: Path) -> str | None:
    """Return the test that catches a fault, planted in a copy of clean sources, None if none."""
    shutil.copytree(clean, folder)
    plant(fault, folder)
    try:
        return failure(folder, fault.tests)
    finally:
        shutil.rmtree(folder)


def main(folder: Path, arguments: Sequence[str]) -> int:
    """Print the table of faults and the tests that catch them; return 1 if one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations search", description=__doc__)
    parser.add_argument("faults", nargs="*", help="parts of faults' names (default: all)")
    asked = parser.parse_args(arguments).faults
    faults = [
        fault
        for fault in (*FAULTS, *EQUIVALENT)
        if not asked or any(part in fault.name for part in asked)
    ]
    clean, survivors = folder / "clean", 0
    copy_sources(clean)
    for tests in {fault.tests for fault in faults}:  # compiles, too, what all the copies use
        assert (test := failure(clean, tests)) is None, f"fails without a fault: {test}"
    print("| fault | in | caught by |\n|:--|:--|:--|", flush=True)
    for number, fault in enumerate(faults):
        test = caught_by(fault, clean, folder / str(number))
        survivors += (test is None) != bool(fault.proof)
        seen = f"`{test}`" if test else f"equivalent: {fault.proof}" if fault.proof else "SURVIVES"
        print(f"| {fault.name} | {fault.file} | {seen} |", flush=True)
    return int(survivors > 0)
