"""Tests of intervals and tests."""
