"""Sets a site up."""
