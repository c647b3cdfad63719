"""Every method in MVTec AD's sizes, with random features, on this card and as on smaller ones."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Event

from benchmarks.evaluation.category import CategoryData
from benchmarks.evaluation.job import Stage
from benchmarks.evaluation.scoring import BUDGETS
from benchmarks.gpu_check.check import Check, Row
from benchmarks.results import Cell
from benchmarks.speed.inputs import BATCH_IMAGES, Inputs
from benchmarks.speed.workload import METHODS, Workload, evaluated
from methods.lazy import torch

CATEGORIES = 15
"""MVTec AD's."""


def steps(check: Check) -> Iterator[Row]:
    """Run five methods three times in each size: counted, alone, and beside an extraction.

    Raises:
        BenchmarkError: a method fails.
    """
    for train, test in check.images:
        if check.late:
            yield {"skipped": f"{train} + {test} images: the time is over (--minutes)"}
            continue
        data, memory = check.workload(train, test), check.memory()
        counted = _counted(check, data(memory))
        alone = [timed.cell for timed in evaluated(METHODS, data(memory))]
        beside = _beside_extraction(check, data(memory))
        for seen, quick, slow in zip(counted, alone, beside, strict=True):
            row = {"images": f"{train} + {test}", "method": quick.spec.method, **seen}
            yield row if check.pretended else _rated(check, row, quick, slow)
        if not check.pretended:
            yield {"projected_seconds_of_mvtec_ad": CATEGORIES * sum(map(seconds, beside))}


def seconds(cell: Cell) -> float:
    """Return what a cell took to fit and to score."""
    return (cell.fit_seconds or 0.0) + (cell.score_seconds or 0.0)


def _counted(check: Check, data: CategoryData) -> list[Row]:
    """Count what each cell asks of the card, stage by stage, which takes longer."""
    from methods.testing.card import Counting

    cuda, device, rows = torch.cuda, check.device, list[Row]()

    def begin(stage: Stage) -> None:
        if ended := {"score": "fit", "measure": "score"}.get(stage):
            rows[-1][ended] = counting.counts
            rows[-1][ended]["peak_allocated_bytes"] = cuda.max_memory_allocated(device)
            rows[-1][ended]["peak_reserved_bytes"] = cuda.max_memory_reserved(device)
        counting.restart()
        cuda.empty_cache()
        cuda.reset_peak_memory_stats(device)

    cells, of_card = evaluated(METHODS, data, begin), [torch.profiler.ProfilerActivity.CUDA]
    for _ in METHODS:
        rows.append({})
        profiler = nullcontext() if check.pretended else torch.profiler.profile(activities=of_card)
        with Counting() as counting, profiler as profile:
            next(cells)
        if profile is not None:
            on_card = [e for e in profile.events() if str(e.device_type).endswith("CUDA")]
            rows[-1]["launches"] = len(on_card)
            rows[-1]["device_seconds"] = sum(e.time_range.elapsed_us() for e in on_card) / 1e6
    return rows


def _rated(check: Check, row: Row, alone: Cell, beside: Cell) -> Row:
    """Add seconds, and which share of them measured rates explain and the device worked."""
    for stage, time in (("fit", "fit_seconds"), ("score", "score_seconds")):
        seen, taken = row[stage], getattr(alone, time)
        products = sum(flop / check.rates[kind] for kind, flop in seen["flop"].items())
        roofline = max(products, seen["bytes"] / check.rates["copy"]) / taken
        seen |= {"seconds": taken, "seconds_beside_extraction": getattr(beside, time)}
        seen |= {"share_of_roofline": roofline}
    if row["launches"]:  # else there was no right to see them
        row["share_of_host"] = max(0.0, 1 - row["device_seconds"] / seconds(alone))
    return row


def _beside_extraction(check: Check, data: CategoryData) -> list[Cell]:
    """Evaluate while batches pass the backbone, one after the other, as a run's next category."""
    backbone, ended = Inputs(check.scale, check.device, check.folder).backbone, Event()
    side = check.scale.image_size
    images = torch.zeros(BATCH_IMAGES, 3, side, side, dtype=torch.uint8)

    def extract() -> None:
        with torch.cuda.stream(torch.cuda.Stream(check.device)):  # so that no method waits for it
            while not ended.is_set():
                for maps in backbone.forward(images, backbone.levels).values():
                    maps.cpu()

    with ThreadPoolExecutor(1) as pool:
        extraction = pool.submit(extract)
        try:
            return [timed.cell for timed in evaluated(METHODS, data)]
        finally:
            ended.set()
            extraction.result()


def smaller_cards(check: Check) -> Iterator[Row]:
    """Run five methods, each as on a card of so many bytes.

    Raises:
        BenchmarkError: one fails with the smallest share of the memory, too.
    """
    device, (train, test) = check.device, check.images[-1]
    total, data = torch.cuda.mem_get_info(device)[1], check.workload(train, test)
    for limit in check.memory_as:
        gib = f"{limit / 2**30:g} GiB"
        if limit > total or check.late:
            reason = "this card has less" if limit > total else "the time is over (--minutes)"
            yield {"skipped": f"{gib}: {reason}"}
            continue
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(limit / total, device)
        try:
            yield {"as_of": gib, **_within(check, data, check.memory(limit))}
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)


def _within(check: Check, data: Workload, memory: int) -> Row:
    """Return which share of the memory each method took at last, and what all took."""
    category, stages, row, total = data(memory), list[Stage](), Row(), 0.0
    for outcome in evaluated(METHODS, category, stages.append):
        share = BUDGETS[stages.count("fit") - 1]
        row[outcome.cell.spec.method] = f"ok with {share:g} of the memory"
        stages.clear()
        total += seconds(outcome.cell)
    splits = category.members[0].values()
    row["images_kept"] = sum(len(f) for f in splits if isinstance(f.stored(1), torch.Tensor))
    return row if check.pretended else {**row, "projected_seconds": CATEGORIES * total}
