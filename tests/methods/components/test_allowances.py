"""What may be added to a bound covers the worst rounding that its derivation allows, and no less.

The derivation: `methods/components/README.md`. A product of K terms is off by K unit roundoffs of
the sum of its terms' magnitudes at most, whatever their order (Jeannerod and Rump, 2013).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from methods.base import Features
from methods.components import bounds, correspondence, kernels, plain
from methods.components.bounds import Allowance, Reduced, Reduction
from methods.components.coreset import Selection
from methods.components.coreset_device import Sizes
from methods.components.neighbours import nearest
from methods.components.precision import full_precision
from methods.components.screening import ScreenedBank
from methods.components.shortlist import GROUP, LISTED, Bank, search_bank
from methods.testing.pretended import pretended_cuda
from tests.methods.components.inputs import draw
from tests.methods.components.test_against_plain import (
    PRECISIONS,
    assert_farthest,
    assert_nearest,
    corresponding,
)
from tests.methods.components.tolerances import distance_tolerance

UNITS = {
    ("cpu", torch.bfloat16): 2.0**-24,
    ("cpu", torch.float32): 2.0**-24,
    ("cpu", torch.float64): 2.0**-53,
    ("cuda", torch.bfloat16): 2.0**-23,
    ("cuda", torch.float32): 2.0**-24,
    ("cuda", torch.float64): 2.0**-53,
}
"""What a term's rounding is off by: to the nearest on a CPU, cut off on a GPU."""


def terms(reduced: Reduced) -> int:
    """Return the roundings on a term's way; bfloat16's products are exact in float32."""
    return reduced.points.shape[-1] - (reduced.points.dtype == torch.bfloat16)


# By exact rationals, in few dimensions

SCALES = (-19, -3, -1, 0, 1, 3, 15)


def pairs(count: int, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield queries and rows (d,): equal, beside each other, and with hardly anything in common."""
    for number in range(count):
        dims = 1 + number % 3
        row = torch.randn(dims, generator=generator) * 10.0 ** SCALES[number % len(SCALES)]
        yield row.clone(), row
        apart = 10 ** -(1 + 7 * float(torch.rand(1, generator=generator)))
        yield row + torch.randn(dims, generator=generator) * row.norm() * apart, row
        yield torch.randn(dims, generator=generator) * row.norm(), row


def fractions(vector: torch.Tensor) -> list[Fraction]:
    return [Fraction(value) for value in vector.double().tolist()]


def covers(
    reduction: Reduction, query: torch.Tensor, row: torch.Tensor, device: str = "cpu"
) -> bool:
    """Whether the allowance covers the worst bound of a query and a row, exactly.

    That is (D + reach)²·(1 + eps) + slack ≥ bound, D being their distance, or, as D is a root,
    rest ≤ 2·reach·D where rest = (bound - slack) / (1 + eps) - D² - reach².
    """
    queries, gallery = reduction.queries(query[None]), reduction.gallery(row[None])
    allowance = Allowance.of(queries, gallery.error.max(), gallery.norms.max())
    reach, slack = (Fraction(float(part.cpu())) for part in allowance[:2])
    eps = Fraction(allowance.eps)
    points = (fractions(reduced.points[0].cpu()) for reduced in (queries, gallery))
    products = [x * y for x, y in zip(*points, strict=True)]
    unit = Fraction(UNITS[device, reduction.dtype])
    flushed = Fraction(0 if reduction.dtype == torch.float64 else 2.0**-126)
    worst = sum(products) + terms(queries) * (unit * sum(map(abs, products)) + flushed)
    bound = worst * (1 + eps)
    squared = sum(
        (x - y) ** 2 for x, y in zip(fractions(query.cpu()), fractions(row.cpu()), strict=True)
    )
    rest = (bound - slack) / (1 + eps) - squared - reach**2
    said = float(
        allowance.distances(torch.tensor([float(bound)], dtype=torch.float64).to(query.device))
    )
    lengths = float(query.double().norm() + row.double().norm())
    rounded = lengths * (2.0**-46 if reduction.dtype == torch.float64 else 2.0**-24)
    assert said <= float(squared) ** 0.5 + rounded
    return rest <= 0 or rest**2 <= 4 * reach**2 * squared


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_allowances_of_whole_vectors_cover_the_worst_rounding(dtype: torch.dtype) -> None:
    for query, row in pairs(400, torch.Generator().manual_seed(0)):
        assert covers(Reduction(torch.zeros(len(row)).double(), None, dtype), query, row)


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_allowances_of_components_cover_the_worst_rounding(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    for query, row in pairs(400, generator):
        dims = len(row)
        basis = torch.linalg.qr(torch.randn(dims, dims, generator=generator).double())[0]
        kept = 1 + int(torch.randint(dims, (1,), generator=generator))
        assert covers(Reduction(0.1 * row.double(), basis[:, :kept], dtype), query, row)


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_a_gpus_product_may_cut_off(dtype: torch.dtype) -> None:
    with pretended_cuda():
        mean = torch.zeros(2, dtype=torch.float64, device="cuda")
        for query, row in pairs(60, torch.Generator().manual_seed(0)):
            if len(row) == 2:
                reduction = Reduction(mean, None, dtype)
                assert covers(reduction, query.to("cuda"), row.to("cuda"), "cuda")


@pytest.mark.parametrize("outside", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("dims", [40, 300])
def test_allowances_of_a_devices_reduction_cover_the_worst_product(
    dims: int, outside: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All components of queries and rows off by what the derivation allows, away from each other.

    Rows and queries lie within the basis, nearly, or not, and a little apart within it.
    """
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(dims, 20, generator=generator).double())[0]
    rows = (torch.randn(50, 20, generator=generator).double() @ basis.T).float()
    rows += outside * torch.randn(50, dims, generator=generator)
    step = torch.randn(50, 20, generator=generator).double() @ basis.T
    queries = rows + 1e-3 * step.float()
    away = ((queries - rows).double() @ basis).sign()

    def worst(centred: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        given, columns = centred.cpu().double(), basis
        roundings = min(dims, bounds.TERMS) + -(-dims // bounds.TERMS) + 1
        off = roundings * 2.0**-24 * (given.abs() @ columns.abs())
        side = 1 if bool(torch.equal(centred.cpu(), queries)) else -1
        return (given @ columns + side * away * off).float().to(centred.device)

    monkeypatch.setattr(bounds, "_projected", worst)
    with pretended_cuda(), full_precision():
        mean = torch.zeros(dims, dtype=torch.float64, device="cuda")
        reduction = Reduction(mean, basis.to("cuda"), torch.float32)
        asked = reduction.queries(queries.to("cuda"))
        gallery = reduction.gallery(rows.to("cuda"))
        reach = Allowance.of(asked, gallery.error, gallery.norms).reach.cpu()
        points, others = (reduced.points.cpu().double() for reduced in (asked, gallery))
    apart = torch.linalg.vector_norm(points[:, :21] - others[:, :21] / -2, dim=1)
    exact = torch.linalg.vector_norm(queries.double() - rows.double(), dim=1)
    assert bool((apart - reach <= exact).all())


def test_bounds_that_exceed_distances_are_seen_once_and_float32_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right, sample = Reduced.squared_distances, draw("noise", 600, 40)

    def wrong(queries: Reduced, gallery: Reduced) -> torch.Tensor:
        bound = right(queries, gallery)
        return bound * 1.1 if bound.dtype == torch.bfloat16 else bound

    with pretended_cuda(), full_precision():
        monkeypatch.setattr(bounds, "_CHECKED", {})
        assert Reduction.of(sample.to("cuda")).dtype == torch.bfloat16
        monkeypatch.setattr(bounds, "_CHECKED", {})
        monkeypatch.setattr(Reduced, "squared_distances", wrong)
        with pytest.warns(UserWarning, match="cuda:0: lower bounds in bfloat16 exceed"):
            assert Reduction.of(sample.to("cuda")).dtype == torch.float32
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            bank = ScreenedBank(sample[100:].to("cuda"))
        distances, rows = (one.cpu()[:, None] for one in bank.nearest(sample[:100].to("cuda")))
    assert_nearest(sample[:100], sample[100:], distances, rows)


def test_a_rest_that_rounding_loses_is_allowed_for() -> None:
    """A component 10⁻⁸ of a vector's length vanishes from a difference of squares in float64."""
    basis = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    reduction = Reduction(torch.zeros(2).double(), basis, torch.float32)
    for lost in (0.4e-8, 0.7e-8, 1e-8):
        for apart in (1e-1, 1e-2, 3e-3, 1e-3, 3e-4):
            row, query = torch.tensor([1.0, -lost]), torch.tensor([1.0, apart])
            assert reduction.gallery(row[None]).points[0, 1] == 0
            assert covers(reduction, query, row * torch.tensor([1.0, -1.0]))


# The loops' limits


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_rows_are_compared_up_to_the_limit_and_not_beyond(dtype: torch.dtype) -> None:
    """The limit is (best distance + reach)²·(1 + eps) + slack, here of numbers without a root."""
    generator, eps = np.random.default_rng(0), torch.finfo(dtype).eps
    kind = torch.int16 if dtype == torch.bfloat16 else torch.int32
    for number in range(300):
        best = np.float32(generator.integers(1, 4096) * 2.0 ** generator.integers(-8, 8))
        reach, slack = np.float32(generator.random(2) * best * 10.0 ** -(number % 6))
        limit = (Fraction(float(best)) + Fraction(float(reach))) ** 2 * (1 + Fraction(eps))
        limit += Fraction(float(slack))
        below = torch.tensor([float(limit)], dtype=torch.float64).to(dtype)
        while Fraction(float(below)) > limit:
            below = torch.nextafter(below, torch.tensor([0.0], dtype=dtype))
        above = torch.nextafter(below, torch.tensor([torch.inf], dtype=dtype))
        above = torch.nextafter(above, torch.tensor([torch.inf], dtype=dtype))
        rounding: Any = (np.array([value], np.float64) for value in (reach, slack))
        allowance = Allowance(*rounding, eps)
        named = []
        for bound in (below, above):
            rows = np.array([7])
            kernels.nearest_below(
                bound[None].view(kind).numpy(), allowance,
                kernels.Pairs(*np.zeros((2, 1, 1), np.float32), np.array([best**2]), rows, 0),
                8, 256,
            )  # fmt: skip
            named.append(int(rows[0]))
        assert named == [0, 7]


# Searches on products that round as badly


class WorstProduct:
    """Products off by as much as the derivation allows: some raised, the others lowered."""

    def __init__(self, device: str) -> None:
        self.device, self._generator = device, torch.Generator().manual_seed(0)

    def __call__(self, queries: Reduced, gallery: Reduced) -> torch.Tensor:
        """Return the product (…, n, m) in the bounds' type."""
        x, y = (part.points.cpu().double() for part in (queries, gallery))
        dtype = queries.points.dtype
        off = terms(queries) * UNITS[self.device, dtype] * (x.abs() @ y.abs().mT)
        exact = x @ y.mT
        raised = torch.rand(exact.shape, generator=self._generator) < 0.5
        wanted = torch.where(raised, exact + off, exact - off)
        rounded = wanted.to(dtype)
        up = torch.nextafter(rounded, rounded.new_tensor(torch.inf))
        down = torch.nextafter(rounded, rounded.new_tensor(-torch.inf))
        rounded = torch.where(raised & (rounded.double() < wanted), up, rounded)
        rounded = torch.where(~raised & (rounded.double() > wanted), down, rounded)
        return rounded.to(queries.points.device)


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A device whose products round as badly as they may."""
    product = WorstProduct(request.param)

    def squared_distances(self: Reduced, gallery: Reduced) -> torch.Tensor:
        return product(self, gallery)

    monkeypatch.setattr(Reduced, "squared_distances", squared_distances)
    monkeypatch.setattr(torch.Tensor, "addmm_", worst_addmm_in_place())
    return str(request.param)


def worst_addmm_in_place() -> Callable[..., torch.Tensor]:
    """Return float32's |q|² + |b|² - 2 q·b of d + 2 terms, as are the squared lengths of d.

    All of them are off by as much as a sum of so many terms may be.
    """
    generator = torch.Generator().manual_seed(0)

    def addmm_(
        lengths: torch.Tensor, queries: torch.Tensor, rows: torch.Tensor, *, alpha: float
    ) -> torch.Tensor:
        x, y, added = queries.double(), rows.double(), lengths.double()
        dims = queries.shape[1]
        magnitudes = added + abs(alpha) * (x.abs() @ y.abs())
        off = 2.0**-24 * ((dims + 2) * magnitudes + dims * added)
        sign = torch.rand(added.shape, generator=generator).round() * 2 - 1
        return lengths.copy_(added + alpha * (x @ y) + sign * off)

    return addmm_


@pytest.fixture(params=PRECISIONS, ids=["bfloat16", "float32"])
def _precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "low_precision", lambda device: request.param)


def dense(count: int, dims: int, spread: float, clusters: int = 5) -> torch.Tensor:
    """Return points of dense clusters: what rounding adds is larger than their distances."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(clusters, dims, generator=generator)
    noise = torch.randn(count, dims, generator=generator)
    return centres[torch.arange(count) % clusters] + noise * spread


SPREADS = (1e-2, 1e-3, 1e-4)


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize("spread", SPREADS)
def test_a_screened_bank_survives_the_worst_product(spread: float, device: str) -> None:
    queries, bank = dense(900, 6, spread).split([200, 700])
    with pretended_cuda(), full_precision():
        searched = ScreenedBank(bank.to(device)).nearest(queries.to(device))
        distances, rows = (result.cpu()[:, None] for result in searched)
    assert_nearest(queries, bank, distances, rows)


@pytest.mark.parametrize("spread", SPREADS)
def test_neighbours_survive_the_worst_product(spread: float, device: str) -> None:
    queries, bank = dense(600, 6, spread).split([200, 400])
    with pretended_cuda(), full_precision():
        searched = nearest(queries.to(device), bank.to(device), 2)
        distances, rows = (result.cpu() for result in searched)
    assert_nearest(queries, bank, distances, rows)


def test_queries_of_too_many_comparisons_survive_the_worst_product(device: str) -> None:
    """Beside far rows, those of one cluster differ by less than rounding adds."""
    cluster = 1 + dense(720, 6, 0.0)[:1] + 1e-4 * draw("noise", 720, 6).sign()
    cluster += 1e-5 * torch.randn(720, 6, generator=torch.Generator().manual_seed(1))
    queries, rows = cluster.split([20, 700])
    bank = torch.cat([rows, -rows])
    with pretended_cuda(), full_precision():
        searched = nearest(queries.to(device), bank.to(device))
        distances, named = (result.cpu() for result in searched)
    assert_nearest(queries, bank, distances, named)


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize("spread", SPREADS)
def test_a_coreset_survives_the_worst_product(
    spread: float, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = dense(400, 6, spread)
    start = plain.distances(points, points[:10]).mean(dim=1).float()
    with pretended_cuda(), full_precision():
        if device == "cuda":
            monkeypatch.setattr(torch, "addmm", worst_addmm())
        chosen = Selection(points.to(device), start.to(device)).first(200).tolist()
    assert_farthest(points, start, chosen)


def test_a_devices_coreset_survives_the_worst_product_among_near_ties(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tiny lattice, not quite exact, whose distances vanish beside those of far points."""
    generator = torch.Generator().manual_seed(0)
    lattice = torch.randint(0, 4, (300, 6), generator=generator)
    tiny = (lattice + 1e-5 * torch.randn(300, 6, generator=generator)) * 3e-5
    points = torch.cat([torch.randn(10, 6, generator=generator), tiny])
    start = plain.distances(points, points[:10]).mean(dim=1).float()
    monkeypatch.setattr(torch, "addmm", worst_addmm())
    with pretended_cuda(), full_precision():
        selection = Selection(points.to("cuda"), start.to("cuda"), Sizes(pool=60))
        chosen = selection.first(100).tolist()
    assert_farthest(points, start, chosen)


def worst_addmm() -> Callable[..., torch.Tensor]:
    """Return float32's |c|² - 2 p·c of d + 1 terms off by as much as such a sum may be."""
    generator = torch.Generator().manual_seed(0)

    def addmm(
        norms: torch.Tensor, points: torch.Tensor, others: torch.Tensor, *, alpha: float
    ) -> torch.Tensor:
        device = norms.device
        added, x, y = (tensor.cpu().double() for tensor in (norms, points, others))
        magnitudes = added + abs(alpha) * (x.abs() @ y.abs())
        sign = torch.rand(magnitudes.shape, generator=generator).round() * 2 - 1
        off = sign * (points.shape[1] + 2) * 2.0**-24 * magnitudes
        return (added + alpha * (x @ y) + off).float().to(device)

    return addmm


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize("share", [correspondence.KEPT_SHARE, 1e-12])
@pytest.mark.parametrize("spread", SPREADS)
def test_correspondences_survive_the_worst_product(
    spread: float, share: float, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With memory for all training images, or for one; the last of them is far from the tests."""
    monkeypatch.setattr(correspondence, "KEPT_SHARE", share)
    positions = dense(7 * 144, 6, spread, clusters=2).view(7, 144, 6)
    positions[4] += 3
    maps = positions.mT.reshape(7, 6, 12, 12).contiguous()
    retrieved = torch.tensor([[0, 3, 4], [4, 1, 2]])
    with pretended_cuda():
        training, test = (
            Features({1: some, 2: some[:, :1]}, device=device) for some in (maps[:5], maps[5:])
        )
        distances = corresponding(training, test, retrieved, 1)
    both = torch.cat([positions, positions[..., :1]], dim=2)
    expected = plain.correspondence(both[5:], both[:5], retrieved, 1)
    assert bool(((distances - expected).abs() <= distance_tolerance(7) * expected).all())


# What a device leaves off


@pytest.mark.parametrize("apart", [1, GROUP])
@pytest.mark.parametrize("decoys", [LISTED, LISTED + 20])
def test_a_row_that_is_hardly_nearer_than_those_listed_is_looked_for(
    decoys: int, apart: int
) -> None:
    """The decoys' distance is 1.0001, their bound 0.9999: they come before the nearest, at 1.

    Side by side they share groups; apart each is the nearest of a group, as the nearest itself is.
    """
    rest = 0.01
    near, far = (0.9999, rest), (2.0, rest)
    rows = [near] * decoys + [(1.0, -rest)]
    bank = torch.tensor([vector for row in rows for vector in [row] + [far] * (apart - 1)])
    bank = torch.cat([bank, torch.tensor([far] * 20)])
    reduction = Reduction(
        torch.zeros(2).double(), torch.tensor([[1.0], [0.0]]).double(), torch.float32
    )
    query = torch.tensor([[0.0, -rest]])
    distances, rows = search_bank(query, Bank.of(bank, reduction), 1)
    assert_nearest(query, bank, distances, rows)


@pytest.mark.parametrize("seed", range(4))
def test_several_rows_whose_order_rounding_hides_are_looked_for(seed: int) -> None:
    """Distances differ by 1e-5 of themselves, which is less than the rounding of their bounds."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(
        torch.randn(201, 6, generator=generator, dtype=torch.float64)
    )
    jitter = torch.rand(200, 1, generator=generator, dtype=torch.float64)
    around = (directions[:1] + 0.06 * (1 + 1e-5 * jitter) * directions[1:]).float()
    query, bank = directions[:1].float(), torch.cat([around, -around])
    distances, _ = nearest(query, bank, 2)
    exact = (query.double() - bank.double()).norm(dim=1).sort().values[:2]
    assert bool(((distances[0] - exact).abs() <= distance_tolerance(6) * exact).all())


def test_rows_that_float64_takes_for_equally_near_are_looked_for() -> None:
    """A cluster a billionth wide, far from the mean: bounds of float64 say nothing about it."""
    cluster = draw("noise", 90, 6)
    cluster = cluster / cluster.abs().max() * 1e-9
    queries, rows = cluster.split([20, 70])
    bank = torch.cat([rows, 1 + draw("integers", 70, 6, 1)])
    with pretended_cuda(), full_precision():
        searched = nearest(queries.to("cuda"), bank.to("cuda"))
        distances, named = (result.cpu() for result in searched)
    assert_nearest(queries, bank, distances, named)
