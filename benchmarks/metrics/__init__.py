"""Scores against ground truth: exact metrics and curves."""
