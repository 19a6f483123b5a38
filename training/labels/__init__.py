"""Zone labels from captions."""
