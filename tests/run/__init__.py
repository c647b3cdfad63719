"""Tests of the command that compares."""
