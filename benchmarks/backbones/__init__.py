"""Backbones: networks with verified weights, cut into pyramid levels."""
