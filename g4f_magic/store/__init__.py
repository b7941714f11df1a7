"""Conversations on disk: turns as they grow, who owns them, and answers given before."""
