"""Features: every image passes a backbone once; its features are cached."""

from benchmarks.features.cache import CacheSettings, FeatureCache
from benchmarks.features.crops import Crops, Split
from benchmarks.features.extraction import Extractor

__all__ = ["CacheSettings", "Crops", "Extractor", "FeatureCache", "Split"]
