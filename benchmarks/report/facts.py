"""What made a comparison's numbers, in words: data, backbone, protocol, machine, times."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from benchmarks.results import ResultSet
from benchmarks.results.journal import Call
from benchmarks.results.makings import imported_methods

_DIGITS = 12  # of a sha256 that are shown

_FITS = {
    "crop": "the centre of a shorter side of {}",
    "stretch": "the whole image stretched to the square",
    "pad": "the whole image in its proportions, its border repeated",
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
    rows = results.cells
    prints = rows[["category", "dataset_fingerprint"]].drop_duplicates().sort_values("category")
    seen = prints["category"].nunique()
    yield "data set", f"{results.dataset}, {seen} categor{'y' if seen == 1 else 'ies'}"
    yield (
        "fingerprints",
        ", ".join(f"{name} {text[:_DIGITS]}" for name, text in prints.itertuples(index=False)),
    )
    known = rows[rows["n_test_good"].astype(bool)].drop_duplicates("category")
    counts = [
        known[f"n_{part}"].astype(int).sum() for part in ("train", "test_good", "test_defect")
    ]
    if len(known):
        yield "images", "{} for training, {} normal and {} anomalous for testing".format(*counts)
    warned = rows[rows["warnings"].astype(bool)].drop_duplicates("category")
    lines = [
        f"{category}: {line}"
        for category, text in zip(warned["category"], warned["warnings"], strict=True)
        for line in str(text).splitlines()
    ]
    yield "warnings", "; ".join(lines)


def _protocol(results: ResultSet) -> Iterable[tuple[str, str]]:
    shared, several = results.shared, len(results.makings) > 1
    for backbone, weights, sha256, layers, dtype, sigma in results.makings:
        mark = f" of {backbone}" if several else ""
        named = ", ".join(f"{level}: {name}" for level, name in json.loads(layers or "{}").items())
        if not several:
            yield "backbone", backbone
        yield f"weights{mark}", f"{weights or 'none'}, sha256 {sha256[:_DIGITS]}"
        yield f"layers{mark}", named
        yield f"features{mark}", dtype
        yield f"smoothing{mark}", f"Gaussian, σ = {sigma} pixels"
    for method, scores in imported_methods(results.cells).items():
        yield method, f"maps of another program, as they are; image scores: {scores}"
    size, fit = shared["image_size"], shared["fit"]
    yield "image size", f"{size} × {size} pixels, {_FITS[fit].format(shared['resize'])}"
    yield "images resized", f"{shared['interpolation']}, antialiased"
    yield "masks", f"resized: {shared['mask_resize']}"
    yield "training images", f"{shared['shots']} shots" if shared["shots"] else "all"
    seeds = sorted({seed for seeds in results.methods.values() for seed in seeds})
    yield "seeds", ", ".join(map(str, seeds))


def _machine(results: ResultSet) -> Iterable[tuple[str, str]]:
    rows = results.cells
    begun, ended = (f"{when:%Y-%m-%d %H:%M}" for when in rows["started_utc"].agg(["min", "max"]))
    yield "evaluated", f"{begun} UTC" if begun == ended else f"{begun} to {ended} UTC"
    yield "device", _each(rows["device"])
    yield "revision", _each(rows["git_sha"])
    versions = [json.loads(text) for text in dict.fromkeys(rows["versions"]) if text]
    yield "packages", _each(", ".join(f"{k} {v}" for k, v in one.items()) for one in versions)


def _times(results: ResultSet, calls: Sequence[Call]) -> Iterable[tuple[str, str]]:
    spent = [
        float(row["fit_seconds"]) + float(row["score_seconds"])
        for row in results.cells.to_dict("records")
        if row["fit_seconds"] and row["score_seconds"]
    ]
    if spent:
        yield "methods", f"{sum(spent):.1f} s to fit and score {len(spent)} cells"
    if calls:
        every = [extraction for call in calls for extraction in call.extractions]
        passed = sum(one.passed for one in every)
        cached = sum(one.images for one in every) - passed
        yield (
            "calls",
            f"{len(calls)}, {sum(call.seconds for call in calls):.1f} s in all; {passed} images "
            f"passed a backbone, the features of {cached} came from the cache",
        )


def _each(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, texts)))
