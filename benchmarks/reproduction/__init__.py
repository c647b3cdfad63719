"""Whether our values agree with published ones, within a stated tolerance."""
