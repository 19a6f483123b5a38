"""Measure weights."""
