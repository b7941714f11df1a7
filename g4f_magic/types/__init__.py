"""Types of the notebook: what a model is told of them, and JSON read as their values."""
