"""Whether our values agree with published ones."""
