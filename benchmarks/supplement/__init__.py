"""The supplement's tables S1–S6 and figures S1–S4, from stored cells, beside published numbers."""
