"""Real parts with a fake end: what the tests put around the package."""
