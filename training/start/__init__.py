"""Pretrained weights to begin a run with."""
