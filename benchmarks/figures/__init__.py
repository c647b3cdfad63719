"""Figures of a run's stored cells."""
