"""
Where the data of a JPEG stream end, found by decoding more rows than there are.

libjpeg fills what it has no data for with the middle of the range: block by block in DCT processes, row by row in the
lossless one. So a stream is decoded as if it had a few rows more. If these, and nothing before them, are such fill,
the data end with the image. That costs nothing beside the decoding.

"No" here means "not sure": an image may end in grey of its own, and another decoder may fill otherwise.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.reading.codestreams.entropy_walk import Place, Walker
from sgseg_dicom.reading.codestreams.huffman_steps import Steps, codes_of
from sgseg_dicom.reading.codestreams.jpeg_segments import (
    LOSSLESS,
    HuffmanTable,
    JpegHeader,
    read_entropy_coded,
)

BLOCK = 8
_EOI = b"\xff\xd9"
_MOST = 0xFFFF
_WALKED, _LEAST_WALKED = 32, 1024
"""Blocks, and bytes, at the end of DCT data that are walked through: wherever a walk begins, it is right soon."""


def extended_size(header: JpegHeader) -> tuple[int, int] | None:
    """Give rows and columns to decode instead of the image's; None where the end cannot be found this way."""
    if header.restart_interval:  # after each restart marker data are read again
        return None
    rows, columns = header.rows, header.columns
    if header.process == LOSSLESS:
        rows += 2
    else:
        rows, columns = (-(-rows // BLOCK) + 2) * BLOCK, -(-columns // BLOCK) * BLOCK
    return (rows, columns) if max(rows, columns) <= _MOST else None


def ends_with_the_image(extended: NDArray[Any], stream: bytes, header: JpegHeader, steps: Steps) -> bool:
    """
    Whether the data of *stream* surely end with the image.

    *extended* are values of `extended_size`, *steps* those of the component's codes.
    """
    data = stream[header.scan.data :].rstrip(b"\0").removesuffix(_EOI)
    if data.endswith(bytes(3)):  # zeroed data are read like the zero bits that libjpeg reads behind the end
        return False
    if header.process == LOSSLESS:
        return _rows_end(extended, header)
    middle = 1 << (header.precision - 1)
    last = extended.shape[0] - 2 * BLOCK
    beyond = extended[last:] != middle
    beyond[:BLOCK, :BLOCK] = False  # the block in which the data end is read to its end with zero bits
    last_block = extended[last - BLOCK : last, -BLOCK:]
    return (
        not beyond.any()
        and bool((last_block != middle).any())
        and _block_ends(data, steps, last * extended.shape[1] // BLOCK**2)
    )


def _block_ends(data: bytes, steps: Steps, blocks: int) -> bool:
    """Whether with the last byte of DCT data a block ends, and not within it."""
    begin = max(0, len(data) - max(_LEAST_WALKED, _WALKED * len(data) // blocks))
    begin += data[begin - 1 : begin] == b"\xff"  # what follows is stuffed
    coded = read_entropy_coded(data, begin, restarts=False)
    bits = 8 * len(coded.data)
    if coded.end < len(data):
        return False
    walker = Walker(coded.data, steps)
    place = Place(0)
    while bits - place.bit >= BLOCK or place.index:
        place = walker.moved(place) or Place(place.bit + 1)
        if place.bit > bits:
            return False
    return True


def _rows_end(extended: NDArray[Any], header: JpegHeader) -> bool:
    """The row in which lossless data end is read to its end with zero bits; rows behind it are fill."""
    above, row = extended[-3:-1].astype(np.int64) >> header.scan.approximation[1]
    span = 1 << 8 * extended.dtype.itemsize
    found = (row[1:] - _predicted(row, above, header.scan.spectral[0])) % span
    table = header.tables[0, header.scan.components[0][1]]
    is_filled = bool((extended[-1] == 1 << (header.precision - 1)).all())
    # The last byte is filled with bits that are 1 (F.1.2.3); they are read as codes too.
    return is_filled and any(
        (found == _differences(table, ones, len(row))[1:] % span).all() for ones in range(BLOCK)
    )


def _differences(table: HuffmanTable, ones: int, count: int) -> NDArray[np.int64]:
    """Give the differences (H.1.2.2), modulo 65,536, that so many 1 bits and endless zeros stand for."""
    lengths, categories = codes_of(table)
    differences: list[int] = []
    bits = (1 << ones) - 1 << 64 - ones  # 64 bits, the first one is the highest
    while len(differences) < count:
        window = bits >> 48
        length, category = int(lengths[window]), int(categories[window])
        extra = 0 if category == 16 else category
        value = bits << length >> 64 - extra & (1 << extra) - 1
        differences.append(
            32768 if category == 16 else value if extra and value >> (extra - 1) else value + 1 - (1 << extra)
        )
        if not bits:
            break
        bits = bits << length + extra & (1 << 64) - 1
    filled = differences + differences[-1:] * (count - len(differences))
    return np.array(filled, np.int64) % 65536


def _predicted(row: NDArray[np.int64], above: NDArray[np.int64], predictor: int) -> NDArray[np.int64] | int:
    """Predict all but the first sample of a row (Table H.1)."""
    left, up, corner = row[:-1], above[1:], above[:-1]
    predictions = {
        1: left,
        2: up,
        3: corner,
        4: left + up - corner,
        5: left + (up - corner >> 1),
        6: up + (left - corner >> 1),
        7: left + up >> 1,
    }
    return predictions.get(predictor, 0)
