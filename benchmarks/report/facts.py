"""What made a comparison's numbers, in words: data, backbone, protocol, machine, times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter

from benchmarks.results import ResultSet
from benchmarks.results.captions import condition_labels, held_out_label
from benchmarks.results.journal import Call
from benchmarks.results.result_set import category_of

_DIGITS = 12  # of a sha256 that are shown

_FITS = {
    "crop": "the centre of a shorter side of {}",
    "stretch": "the whole image stretched to the square",
    "pad": "the whole image in its proportions, its border repeated",
}

_REGIONS = {
    "resized": "connected in the resized masks",
    "original": "connected at the images' own sizes, and carried through crop and resizing",
}


def facts(results: ResultSet, calls: Sequence[Call]) -> list[list[str]]:
    """Return pairs of a label and a text.

    Args:
        results: the cells.
        calls: the calls that evaluated them, as far as the journal knows.
    """
    pairs = [*_data(results), *_protocol(results), *_machine(results), *_times(results, calls)]
    return [[label, text] for label, text in pairs if text]


def _data(results: ResultSet) -> Iterable[tuple[str, str]]:
    cells = results.cells
    prints = dict.fromkeys((category_of(cell), cell.spec.dataset_fingerprint) for cell in cells)
    count = len({category for category, _ in prints})
    yield "data set", f"{results.dataset}, {count} categor{'y' if count == 1 else 'ies'}"
    by_category = sorted(prints, key=itemgetter(0))
    yield "fingerprints", ", ".join(f"{name} {text[:_DIGITS]}" for name, text in by_category)
    counted = {category_of(c): c for c in reversed(cells) if c.n_test_good is not None}.values()
    sums = [
        sum(getattr(cell, name) or 0 for cell in counted)
        for name in ("n_train", "n_test_good", "n_test_defect")
    ]
    if counted:
        yield "images", "{} for training, {} normal and {} anomalous for testing".format(*sums)
    yield "warnings", _each(f"{category_of(c)}: {line}" for c in cells for line in c.warnings)


def _protocol(results: ResultSet) -> Iterable[tuple[str, str]]:
    measure, several = results.measure, len(results.sources) > 1
    for source in results.sources:
        mark = f" of {source.backbone}" if several else ""
        if not several:
            yield "backbone", source.backbone
        weights, sha256 = source.weights or "none", source.weights_sha256[:_DIGITS]
        yield f"weights{mark}", f"{weights}, sha256 {sha256}"
        yield f"layers{mark}", ", ".join(f"{level}: {name}" for level, name in source.layers)
        yield f"features{mark}", source.dtype
        yield f"smoothing{mark}", f"Gaussian, σ = {source.smoothing_sigma} pixels"
    for method, scores in results.imported.items():
        yield method, f"maps of another program, as they are; image scores: {scores}"
    size, cut = measure.image_size, _FITS[measure.fit].format(measure.resize)
    yield "image size", f"{size} × {size} pixels, {cut}"
    yield "images resized", f"{measure.interpolation}, antialiased"
    yield "masks", f"resized: {measure.mask_resize}"
    yield "regions", _REGIONS[measure.regions]
    yield "training images", f"{results.spec.shots} shots" if results.spec.shots else "all"
    if results.spec.calibrate:
        yield "held out for thresholds", f"{held_out_label(results.spec.calibrate)} of them"
    yield "conditions", "; ".join(condition_labels(results.spec))
    seeds = sorted({seed for seeds in results.methods.values() for seed in seeds})
    yield "seeds", ", ".join(map(str, seeds))


def _machine(results: ResultSet) -> Iterable[tuple[str, str]]:
    cells = results.cells
    times = [cell.started for cell in cells]
    begun, ended = (f"{when:%Y-%m-%d %H:%M}" for when in (min(times), max(times)))
    yield "evaluated", f"{begun} UTC" if begun == ended else f"{begun} to {ended} UTC"
    yield "device", _each(cell.device for cell in cells)
    if card := _each(", ".join(f"{k} {v}" for k, v in cell.card.items() if v) for cell in cells):
        yield "card", card
    yield "revision", _each(cell.git_sha for cell in cells)
    packages = (sorted(cell.versions.items()) for cell in cells)
    yield "packages", _each(", ".join(f"{k} {v}" for k, v in versions) for versions in packages)


def _times(results: ResultSet, calls: Sequence[Call]) -> Iterable[tuple[str, str]]:
    spent = [
        cell.fit_seconds + cell.score_seconds
        for cell in results.cells
        if cell.fit_seconds is not None and cell.score_seconds is not None
    ]
    if spent:
        yield "methods", f"{sum(spent):.1f} s to fit and score {len(spent)} cells"
    if calls:
        every = [extraction for call in calls for extraction in call.extractions]
        passed = sum(extraction.passed for extraction in every)
        cached = sum(extraction.images for extraction in every) - passed
        yield (
            "calls",
            f"{len(calls)}, {sum(call.seconds for call in calls):.1f} s in all; {passed} images "
            f"passed a backbone, the features of {cached} came from the cache",
        )


def _each(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, texts)))
