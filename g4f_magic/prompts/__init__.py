"""What is said: values of the notebook as parts of a prompt, and the conversation before it."""
