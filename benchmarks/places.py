"""What this machine's user has set: `~` in paths that people write, caches, variables."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

LIBRARIES = {
    "MPLCONFIGDIR": "matplotlib",
    "NUMBA_CACHE_DIR": "numba",
    "TORCH_HOME": "torch",
    "HF_HOME": "huggingface",
}
"""Environment variable → folder in the user's cache, of libraries that keep files."""

DEFAULT_LIMIT_GB = 50.0
"""Of cached features, in gigabytes; the least recently used of more are removed."""


def written_path(text: str) -> Path:
    """Return the path that someone wrote, with `~` expanded.

    Raises:
        argparse.ArgumentTypeError: it is empty, as an option with a variable that isn't set.
    """
    if not text:
        raise argparse.ArgumentTypeError("the path is empty: name a file or folder")
    return Path(os.path.expanduser(text))


def user_cache(name: str) -> Path:
    """Return the folder `name` in $XDG_CACHE_HOME, else in ~/.cache.

    Where there is no home folder, or nothing can be made there, as in a container under another
    user's name: in a folder for temporary files that is this user's alone.
    """
    named = os.environ.get("XDG_CACHE_HOME")
    folder = written_path(named or "~/.cache") / name
    homeless = not named and not folder.is_absolute()
    return folder if not homeless and _exists_or_can_be_created(folder) else _temporary() / name


def default_folder() -> Path:
    """Return the folder of features: $TOTAL_RECALL_CACHE, else one in the user's cache folder."""
    named = os.environ.get("TOTAL_RECALL_CACHE")
    return written_path(named) if named else user_cache("total-recall-bench")


def settle_environment() -> None:
    """Make of the environment's variables what a command can work with.

    Empty ones are unset. Libraries are pointed to a temporary folder where the user's cache can't
    be written, and matplotlib draws into files, whatever a notebook has told it.
    """
    for variable in ("HOME", *LIBRARIES):
        if not os.environ.get(variable):
            os.environ.pop(variable, None)
    os.environ["MPLBACKEND"] = "agg"
    for variable, name in LIBRARIES.items():
        folder = user_cache(name)
        if _temporary_name() in folder.parts and variable not in os.environ:
            os.environ[variable] = str(folder)


def _exists_or_can_be_created(folder: Path) -> bool:
    nearest = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    return os.path.isdir(nearest) and (nearest == folder or os.access(nearest, os.W_OK | os.X_OK))


def _temporary_name() -> str:
    return f"total-recall-bench-{os.getuid()}"


def _temporary() -> Path:
    """Return the user's folder for temporary files, which nobody else can write.

    Where there is none either, one that can't be made, as whoever writes into it will say.
    """
    try:
        folder = Path(tempfile.gettempdir()) / _temporary_name()
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return Path(os.devnull) / _temporary_name()
    if folder.lstat().st_uid != os.getuid():
        return Path(tempfile.mkdtemp()) / _temporary_name()
    return folder
