"""Tests of the embedded set."""
