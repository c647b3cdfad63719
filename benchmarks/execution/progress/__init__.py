"""What is seen while cells run."""
