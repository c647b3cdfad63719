"""Features: every image passes a backbone once, and what it gave is kept."""

from benchmarks.features.cache import CacheSettings, FeatureCache
from benchmarks.features.crops import Crops, Split
from benchmarks.features.extraction import Extractor

__all__ = ["CacheSettings", "Crops", "Extractor", "FeatureCache", "Split"]
