"""Tests of many cells."""
