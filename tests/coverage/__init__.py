"""How often intervals cover and tests err, on scores and maps whose truth is known."""
