"""Lists the features that are cached, or removes them with --clear."""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.console import command_parser, run_program, show
from benchmarks.errors import StorageError
from benchmarks.features.cache import FeatureCache
from benchmarks.names import printable
from benchmarks.places import default_folder, written_path


def main(arguments: Sequence[str] | None = None) -> int:
    """List or clear the cache; return the exit status."""
    return run_program(lambda: _list(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.features", __doc__)
    parser.add_argument(
        "--cache", type=written_path, default=default_folder(), help="folder (default: %(default)s)"
    )
    parser.add_argument("--clear", action="store_true", help="remove all cached features")
    return parser


def _list(options: argparse.Namespace) -> int:
    cache = FeatureCache(options.cache)
    cached = cache.cached()
    for array in cached:
        spec = defaultdict(lambda: "?", array.spec)
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(array.used))
        what = f"level {spec['level']}" if "level" in spec else "crops"
        names = printable(f"{spec['dataset']:12} {spec['category']:14}")
        show(
            f"{names} {spec['split']:5} "
            f"{spec.get('backbone', ''):20} {spec['image_size']:4} {what} {spec['dtype']} "
            f"{array.bytes / 1e6:9.1f} MB  used {used}"
        )
    size = f"{len(cached)} arrays, {sum(a.bytes for a in cached) / 1e9:.2f} GB in {cache.folder}"
    if options.clear and (stays := cache.clear()):
        raise StorageError(
            f"{stays[0]}: can't be removed, as {len(stays)} files in all: whoever owns them can; "
            "the others are gone"
        )
    show(f"removed {size}" if options.clear else size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
