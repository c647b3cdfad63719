"""Tests of joining runs."""
