"""What weights are worth."""
