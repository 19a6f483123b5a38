"""A large image in blocks of rows: what is computed block by block needs no second copy of the image."""

from collections.abc import Iterator

_PIXELS = 1 << 18
"""Of a block: in float32 it fits into the cache of a processor's core."""


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Give the rows of each block of a grid of *shape* (rows, columns), from the top."""
    rows, columns = shape[:2]
    height = max(1, _PIXELS // max(1, columns))
    for top in range(0, rows, height):
        yield slice(top, min(top + height, rows))
