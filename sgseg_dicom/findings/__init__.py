"""Prediction -> Finding."""
