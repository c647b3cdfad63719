"""How fast each step is, against its plain definition, in one run."""
