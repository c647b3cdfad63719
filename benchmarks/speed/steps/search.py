"""Times the nearest-neighbour search against faiss's flat index and a plain product."""

from __future__ import annotations

from benchmarks.speed.inputs import Inputs
from benchmarks.speed.references import plain_product
from benchmarks.speed.report import Comparison, Growth
from benchmarks.speed.timing import TIE, Agreement, Bench, Reference
from methods.components.flat_index import FlatIndex
from methods.lazy import Tensor
from methods.patchcore import exact_search


def search(bench: Bench) -> list[Comparison]:
    """Time the nearest neighbours of test patches in the largest coreset of training patches.

    All prepare the bank within the time, as they do once for all of a category's test images.
    """
    queries, bank = bench.inputs.queries, bench.inputs.bank
    size = f"{len(queries):,} queries, bank {len(bank):,} × {bank.shape[1]}"
    return bench.compare(
        "search",
        f"{size}, {bench.inputs.patch_source}",
        lambda: _exact(bench, len(bank)),
        [
            Reference("plain product", lambda: plain_product(queries, bank), note="no certificate"),
            _flat(bench.inputs, len(bank)),
        ],
        _same_neighbours(bench),
    )


def _exact(bench: Bench, count: int) -> tuple[Tensor, Tensor]:
    """Search the first `count` rows of the bank as PatchCore does."""
    queries = bench.inputs.queries
    return exact_search(bench.inputs.bank[:count], len(queries))(queries)


def _flat(inputs: Inputs, count: int) -> Reference:
    bank = inputs.bank[:count]
    return Reference("faiss IndexFlatL2", lambda: FlatIndex(bank).nearest(inputs.queries))


def _same_neighbours(bench: Bench) -> Agreement:
    """Compare with faiss; where the neighbours differ their exact distances decide."""
    queries, bank = bench.inputs.queries, bench.inputs.bank
    distances, ours = _exact(bench, len(bank))
    flat_distances, theirs = FlatIndex(bank).nearest(queries)
    error = float(((flat_distances - distances).abs() / distances).max())
    differing = (ours != theirs).nonzero()[:, 0]
    to_ours, to_theirs = (
        (queries[differing].double() - bank[rows[differing]].double()).norm(dim=1)
        for rows in (ours, theirs)
    )
    farther = int((to_ours > to_theirs * (1 + TIE)).sum())
    closer = int((to_theirs > to_ours * (1 + TIE)).sum())
    text = (
        f"{len(queries) - len(differing):,} of {len(queries):,} neighbours the same, "
        f"{len(differing) - farther - closer} tie, {closer} closer, {farther} farther "
        f"than faiss's, whose distances are off by up to {error:.0e}"
    )
    return Agreement(farther == 0, text)


def search_growth(bench: Bench) -> list[Growth]:
    """Time the search in more and more of the bank."""
    bank = bench.inputs.bank
    sizes = [len(bank) // share for share in (8, 4, 2, 1)]
    return bench.growth(
        "search",
        "patches in the bank",
        sizes,
        lambda count: lambda: _exact(bench, count),
        lambda count: _flat(bench.inputs, count),
        largest=bench.row(search, "search", "faiss"),
    )
