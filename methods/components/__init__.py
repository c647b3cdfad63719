"""What several methods are built of: memory banks, coresets, neighbours, patch features."""
