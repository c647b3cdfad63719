"""Tests of what several methods are built of."""
