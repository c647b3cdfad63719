"""Whether lower bounds of distances hold on the card, and whether searches by them find all."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.gpu_check.check import Check, Row, require
from methods.components.bounds import DIFFERENCES, Allowance, Reduction
from methods.components.precision import full_precision
from methods.components.screening import ScreenedBank
from methods.lazy import Tensor, torch

LATENT = 12
"""Dimensions of the surface near which the vectors lie."""

EXACT, TIE = 1 + 1e-12, 1 + 1e-5
"""What differences in float64, and distances in float32, may be off by."""


def bounds(check: Check) -> Iterator[Row]:
    """Compare bounds of every size with distances by differences in float64, then whole searches.

    Raises:
        BenchmarkError: a bound is above its distance, or a search misses a nearer row.
    """
    most, dims, places = max(check.queries), check.kept[-1], ("cpu", check.device)
    for rows in check.rows:
        needed = rows * (4 * most + 20 * dims)
        if needed > check.memory():
            yield {"skipped": f"bounds of {rows:,} rows, which take {needed:,} bytes"}
            continue
        with full_precision():
            step = rows // check.rows[0]  # of all bounds, those of every so many rows are compared
            gallery, queries = _vectors(rows, most, dims, step)
            yield from _bounded(check, gallery.to(check.device), queries.to(check.device), step)
            yield from (_searched(gallery[::step], queries, place) for place in places)


def _vectors(rows: int, queries: int, dims: int, step: int) -> tuple[Tensor, Tensor]:
    """Draw a gallery (rows, dims) and queries, half of which are nearly rows of it."""
    draw = torch.Generator().manual_seed(0)
    layer, latent = (torch.randn(n, LATENT, generator=draw) for n in (dims, rows + queries))
    noise = 0.05 * torch.randn(rows + queries, dims, generator=draw)
    gallery, asked = (latent @ layer.T + noise).relu_().split([rows, queries])
    twins = asked[::2]
    twins.copy_(gallery[::step][: len(twins)] + noise[: len(twins)] / 50)
    return gallery, asked


def _bounded(check: Check, gallery: Tensor, queries: Tensor, step: int) -> Iterator[Row]:
    exact = torch.cdist(queries.double(), gallery[::step].double(), compute_mode=DIFFERENCES)
    mean = gallery.mean(dim=0, dtype=torch.float64)
    centred = gallery[::step].double() - mean
    basis = torch.linalg.eigh(centred.T @ centred)[1].flip(1)
    for kept in check.kept:
        for precision in (torch.bfloat16, torch.float32):
            components = basis[:, :kept].contiguous() if kept < len(basis) else None
            reduction = Reduction(mean, components, precision)
            reduced = reduction.gallery(gallery[None])
            most = reduced.largest()
            for number in check.queries:
                asked = reduction.queries(queries[None, :number])
                batched = asked.squared_distances(reduced)[0, :, ::step].T[:, None]
                least = Allowance.of(asked, most.error, most.norms).distances(batched)[:, 0].T
                violations = int((least > exact[:number] * EXACT).sum())
                seen: Row = {"queries": number, "rows": len(gallery), "violations": violations}
                seen |= {"K": reduced.points.shape[-1], "precision": str(precision)}
                require(violations == 0, f"lower bounds are above the distances: {seen}")
                nearest = exact[:number].amin(dim=1, keepdim=True)
                yield {**seen, "share_left_open": float((least <= nearest).double().mean())}


def _searched(gallery: Tensor, queries: Tensor, place: str) -> Row:
    """Search by bounds in a place, and compare with the CPU's distances in float64."""
    exact = torch.cdist(queries.double(), gallery.double())
    rows = ScreenedBank(gallery.to(place).contiguous()).nearest(queries.to(place))[1].cpu()
    reached = exact.gather(1, rows[:, None])
    missed = int((reached > TIE * exact.amin(dim=1, keepdim=True)).sum())
    line = f"{missed} of {len(queries)} queries miss their nearest row on {place}"
    require(missed == 0, f"a lower bound is too high: {line}")
    return {"searched_on": place, "queries": len(queries), "missed": missed}
