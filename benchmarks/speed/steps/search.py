"""Times the nearest-neighbour search against faiss's flat index."""

from __future__ import annotations

from benchmarks.speed import references as plain
from benchmarks.speed.report import Growth, Row
from benchmarks.speed.timing import TIE, Agreement, Bench, Reference
from methods.components.screening import ScreenedBank
from methods.lazy import torch


def _flat(bench: Bench, count: int) -> Reference:
    queries = bench.inputs.queries.cpu().numpy()
    bank = bench.inputs.bank[:count]
    return Reference("faiss IndexFlatL2", lambda: plain.flat_index(bank).search(queries, 1))


def search(bench: Bench) -> list[Row]:
    """Time the nearest neighbours of test patches in the largest coreset of training patches.

    Both prepare the bank within the time, as they do once for all of a category's test images.
    """
    queries, bank = bench.inputs.queries, bench.inputs.bank
    size = f"{len(queries):,} queries, bank {len(bank):,} × {bank.shape[1]}"
    return bench.compare(
        "search",
        f"{size}, {bench.inputs.patch_source}",
        lambda: ScreenedBank(bank).nearest(queries),
        [_flat(bench, len(bank))],
        _same_neighbours(bench),
    )


def _same_neighbours(bench: Bench) -> Agreement:
    """Compare with faiss; where the neighbours differ their exact distances decide."""
    queries, bank = bench.inputs.queries, bench.inputs.bank
    ours = ScreenedBank(bank).nearest(queries)[1].cpu()
    flat = plain.flat_index(bank).search(queries.cpu().numpy(), 1)[1][:, 0]
    theirs = torch.from_numpy(flat)
    differing = (ours != theirs).nonzero()[:, 0]
    own, other = (
        (queries[differing].double() - bank[rows[differing]].double()).norm(dim=1)
        for rows in (ours, theirs)
    )
    farther = int((own > other * (1 + TIE)).sum())
    closer = int((other > own * (1 + TIE)).sum())
    text = (
        f"{len(queries) - len(differing):,} of {len(queries):,} neighbours the same, "
        f"{len(differing) - farther - closer} tie, {closer} closer, {farther} farther than faiss's"
    )
    return Agreement(farther == 0, text)


def search_growth(bench: Bench) -> list[Growth]:
    """Time the search in more and more of the bank."""
    queries, bank = bench.inputs.queries, bench.inputs.bank
    sizes = [len(bank) // share for share in (8, 4, 2, 1)]
    return bench.growth(
        "search",
        "patches in the bank",
        sizes,
        lambda count: lambda: ScreenedBank(bank[:count]).nearest(queries),
        lambda count: _flat(bench, count),
        largest=bench.row(search, "search", "faiss"),
    )
