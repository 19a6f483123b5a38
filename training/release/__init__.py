"""From checkpoints to weights that ship."""
