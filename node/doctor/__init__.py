"""Looks at everything that a node needs, and says in one line each what is wrong and what to do."""
