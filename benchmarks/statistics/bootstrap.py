"""Bootstrap resamples of the test images."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.array_types import Counts

RESAMPLES = 1000


def multiplicities(labels: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Counts:
    """Return how often each resample holds each image, (resamples, N).

    Normal and anomalous images are drawn apart, as many of each as there are, with replacement
    (Efron & Tibshirani, An Introduction to the Bootstrap, 1993). The same labels and seed give the
    same resamples, whatever the method.

    Args:
        labels: (N,), 0 normal, 1 anomalous.
        resamples: how many.
        seed: of the draws.
    """
    labels = np.asarray(labels)
    random = np.random.default_rng(seed)
    drawn = np.zeros((resamples, labels.size), np.int64)
    for label in (0, 1):
        members = np.flatnonzero(labels == label)
        if members.size:
            even = np.full(members.size, 1 / members.size)
            drawn[:, members] = random.multinomial(members.size, even, size=resamples)
    return drawn
