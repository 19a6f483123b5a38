"""Sends results to the destinations."""
