"""Tests of the feature cache."""
