"""The embedded synthetic data set."""

from benchmarks.synthetic.products import PRODUCTS, render
from benchmarks.synthetic.writing import ensure

__all__ = ["PRODUCTS", "ensure", "render"]
