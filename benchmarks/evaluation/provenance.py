"""What made a number: the project's revision and the packages' versions."""

from __future__ import annotations

import contextlib
import os
import subprocess
from functools import cache
from pathlib import Path

from methods.lazy import metadata

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "faiss-gpu",
    "faiss-cpu",
    "numpy",
    "numba",
    "scipy",
    "pillow",
)


@cache
def versions() -> dict[str, str]:
    """Return package → installed version, of those that can change a number."""
    installed = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            installed[package] = metadata.version(package)
    return installed


@cache
def git_sha() -> str:
    """Return the project's revision, `-dirty` where files differ from it, empty if unknown."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():  # installed: a repository around it is somebody else's
        return ""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        # A hook of git, or a job, may name another repository for whatever it starts.
        env = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()
    return ""
