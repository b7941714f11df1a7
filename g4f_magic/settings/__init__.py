"""What is set, from where, and what of it is kept."""
