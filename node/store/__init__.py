"""What the node stores on disk."""
