"""Tests of the check against a baseline."""
