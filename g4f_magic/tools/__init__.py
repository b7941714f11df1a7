"""Functions of the notebook that a model may call: told, called, and their results told."""
