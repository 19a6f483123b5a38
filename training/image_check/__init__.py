"""Fit and measure the image check."""
