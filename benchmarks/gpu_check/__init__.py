"""Whether a graphics card computes what the CPU computes, and how fast, in one command."""
