"""The steps that are timed, one a file."""
