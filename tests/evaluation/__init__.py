"""Tests of one cell."""
