"""Compressed Pixel Data -> pixels, only where the whole codestream is there."""
