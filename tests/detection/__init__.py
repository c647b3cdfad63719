"""Tests of anomaly maps that come from other programs, and go to them."""
