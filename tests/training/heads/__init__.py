"""Tests of training/heads: lungs, look and image-level judgement on a frozen encoder."""
