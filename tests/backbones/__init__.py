"""Tests of backbones."""
