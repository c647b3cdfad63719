"""Runs a model of anomalib on a data set, writes its anomaly maps, and imports them into a run.

    python -m anomalib_models padim --arguments '{"backbone": "resnet18"}' --weights resnet18.pth \
        --data ~/data/mvtec --categories screw --maps anomalib-maps --out results/RUN

The model sees what anomalib shows it: the whole image, scaled to a square by its own
pre-processing. Its post-processing, which scales scores to 0 to 1 and cuts them off there, is left
out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.datasets import Category, Sample, index
from benchmarks.datasets.images import image_size
from benchmarks.errors import BenchmarkError
from benchmarks.files import atomic_file
from benchmarks.maps import image_scores
from benchmarks.maps.folder import stem
from benchmarks.maps.reading import write_tiff

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from torch.nn import Module

PARTS_OF_ANOMALIB = ("post_processor", "evaluator", "visualizer")
"""What follows a model in anomalib, and is left out here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(arguments)
    dataset = index(options.data, options.categories and options.categories.split(","))
    scores: dict[str, float] = {}
    for category in dataset.categories:
        model = make_model(options.model, json.loads(options.arguments), options.seed)
        if options.weights:
            load_weights(model.model.feature_extractor.feature_extractor, options.weights)
        found = predictions(model, category, options.batch_size)
        for sample, (anomaly_map, score) in zip(category.test, found, strict=True):
            write_map(options.maps / category.name, sample, anomaly_map)
            scores[image_scores.image_name(category.name, sample.name)] = score
    image_scores.write(options.maps / "scores.csv", scores)
    return import_maps(options) if options.out else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m anomalib_models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", help="as anomalib's get_model takes it: padim, patchcore, …")
    add("--arguments", default="{}", help="the model's, as JSON (default: %(default)s)")
    add("--weights", type=Path, help=".pth or .safetensors of its backbone (default: anomalib's)")
    add("--seed", type=int, default=0, help="of all that is random (default: %(default)s)")
    add("--batch-size", type=int, default=16, help="images (default: %(default)s)")
    add("--data", type=Path, required=True, help="folder of a data set")
    add("--categories", help="comma-separated (default: all in the data set)")
    add("--maps", type=Path, required=True, metavar="DIR", help="where the maps go")
    add("--name", help="what tables call it (default: anomalib-<model>)")
    add("--out", type=Path, metavar="RUN", help="the run that the maps join (default: none)")
    return parser


def make_model(name: str, arguments: dict[str, Any], seed: int) -> Any:
    """Return an untrained model of anomalib without what follows it there."""
    from anomalib.models import get_model
    from lightning import seed_everything

    seed_everything(seed, verbose=False)  # anomalib draws by torch, NumPy and Python
    return get_model(name, **arguments, **dict.fromkeys(PARTS_OF_ANOMALIB, False))


def load_weights(network: Module, path: Path) -> None:
    """Load a backbone's weights from a file; what the network doesn't have is left out.

    Raises:
        BenchmarkError: the file lacks some, or they are of other shapes.
    """
    import torch
    from safetensors.torch import load_file

    safe = path.suffix == ".safetensors"
    stored = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    needed = network.state_dict()
    if missing := [name for name in needed if name not in stored and "num_batches" not in name]:
        raise BenchmarkError(f"{path}: lacks {len(missing)} weights, as {missing[0]}")
    try:
        network.load_state_dict({k: v for k, v in stored.items() if k in needed}, strict=False)
    except RuntimeError as error:
        raise BenchmarkError(f"{path}: {str(error).splitlines()[-1].strip()}") from error


def predictions(model: Any, category: Category, batch_size: int) -> Iterator[tuple[Tensor, float]]:
    """Train a model on a category; yield the map (h, w) and the score of each test image."""
    from anomalib.engine import Engine

    size = batch_size if len(category.shapes) == 1 else 1
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(default_root_dir=folder, logger=False, enable_progress_bar=False)
        engine.fit(model, train_dataloaders=loader(category.train, size))
        batches = engine.predict(model, dataloaders=loader(category.test, size)) or []
    for batch in batches:
        maps = batch.anomaly_map.reshape(-1, *batch.anomaly_map.shape[-2:])
        yield from zip(maps, batch.pred_score.flatten().tolist(), strict=True)


def loader(samples: Sequence[Sample], batch_size: int) -> Any:
    """Return what brings images in their order, as anomalib reads them."""
    from anomalib.data import ImageBatch, ImageItem
    from anomalib.data.utils import read_image
    from torch.utils.data import DataLoader

    images = [sample.path for sample in samples]

    class Images:
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, number: int) -> ImageItem:
            path = images[number]
            return ImageItem(image=read_image(path, as_tensor=True), image_path=str(path))

    return DataLoader(Images(), batch_size, collate_fn=ImageBatch.collate)


def write_map(folder: Path, sample: Sample, anomaly_map: Tensor) -> None:
    """Write a map at its image's own size, enlarged as anomalib enlarges them: bilinearly."""
    width, height = image_size(sample.path)
    path = folder / f"{stem(sample.name)}.tiff"
    with atomic_file(path) as file:
        write_tiff(file, resized(anomaly_map, height, width))


def resized(anomaly_map: Tensor, height: int, width: int) -> np.ndarray[Any, Any]:
    """Return a map (h, w) in single precision at another size; at its own as it is."""
    from torch.nn.functional import interpolate

    single = anomaly_map.detach().float().cpu()
    if single.shape == (height, width):
        return single.numpy()
    return interpolate(single[None, None], size=(height, width), mode="bilinear")[0, 0].numpy()


def import_maps(options: argparse.Namespace) -> int:
    """Import the maps into the run; return the exit status."""
    command = [sys.executable, "-m", "benchmarks.maps", "import", options.maps]
    command += ["--name", options.name or f"anomalib-{options.model}", "--out", options.out]
    command += ["--scores", options.maps / "scores.csv", "--data", options.data]
    command += ["--seed", options.seed]
    if options.categories:
        command += ["--categories", options.categories]
    return subprocess.run(list(map(str, command)), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
