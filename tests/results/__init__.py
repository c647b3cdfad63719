"""Tests of what a run stores."""
