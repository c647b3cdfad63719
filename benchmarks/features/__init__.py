"""Features: every image passes a backbone once, and what it gave is kept."""

from benchmarks.features.cache import FeatureCache
from benchmarks.features.extraction import Extractor, Split

__all__ = ["Extractor", "FeatureCache", "Split"]
