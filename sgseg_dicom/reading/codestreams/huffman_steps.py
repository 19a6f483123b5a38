"""
JPEG Huffman codes (ISO/IEC 10918-1 Annex C) -> tables that step through an entropy-coded segment, 16 bits at a time.

A step is one number. It says how far to go on in the bits, and what has been passed there. Values are not decoded:
to know whether a segment holds as many blocks (or samples) as it must, their number is enough.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.reading.codestreams.jpeg_segments import HuffmanTable

WINDOW = 16
"""Bits that a step looks at; no code is longer."""

FULL = 64
"""Coefficients of a block."""

NO_CODE = 0
"""The step where the bits begin no code."""

# A step, from its lowest bit: 5 bits: bits to go on; 7: coefficients passed before the first end of block;
# 7: index of the next coefficient after the last end of block; 1: whether there was one; 5: units ended.
BITS = 0x1F
BEFORE_SHIFT, AFTER_SHIFT, ENDED_SHIFT, UNITS_SHIFT = 5, 12, 19, 20
INDEX = 0x7F

AC_OFFSET = 1 << WINDOW
SINGLE_OFFSET = 2 << WINDOW
"""In `Steps.table`: where the steps of AC codes lie behind those of DC codes, and the steps of one code alone."""


class Symbols(NamedTuple):
    """What the first code of each of the 65,536 windows says; int64 arrays of that length."""

    bits: NDArray[np.int64]
    """Length of the code and of the bits that belong to it; 0 where there is no code."""
    passed: NDArray[np.int64]
    """Coefficients that it stands for."""
    ends: NDArray[np.bool_]
    """Whether it ends the unit: a block, or a sample."""


class Steps(NamedTuple):
    """
    The steps of one component.

    Attributes:
        table: int64. First steps over as many codes as the window holds, then steps over one code alone.
        counts_coefficients: whether a unit is a block of 64 coefficients, not a sample.
    """

    table: NDArray[np.int64]
    counts_coefficients: bool


@lru_cache(maxsize=8)
def steps_of_samples(table: HuffmanTable) -> Steps:
    """Give the steps of the lossless process (H.1.2.2): each code is a sample, its value the bits behind it."""
    code, symbol = codes_of(table)
    extra = np.where(symbol < 16, symbol, 0)  # category 16 has none: its only value is 32,768
    bits = np.where((code > 0) & (symbol <= 16), code + extra, NO_CODE)
    one = Symbols(bits, np.zeros_like(bits), np.ones(len(bits), np.bool_))
    single = _single(one)
    many = _joined(one, one, start_in_block=False)
    # The same again where the table of a block has its AC codes: a sample is never inside a unit.
    return Steps(np.concatenate([many, many, single, single]).astype(np.int64), False)


@lru_cache(maxsize=8)
def steps_of_blocks(dc: HuffmanTable, ac: HuffmanTable) -> Steps:
    """Give the steps of a sequential DCT process (F.1.2): a DC code, then AC codes up to an end of block."""
    code, symbol = codes_of(dc)
    bits = np.where((code > 0) & (symbol < 16), code + symbol, NO_CODE)
    first = Symbols(bits, np.ones_like(bits), np.zeros(len(bits), np.bool_))
    code, symbol = codes_of(ac)
    run, size = symbol >> 4, symbol & 15
    ends = (size == 0) & (run < 15)  # EOB; decoders take undefined run lengths of size 0 as it
    others = Symbols(np.where(code > 0, code + size, NO_CODE), np.where(ends, 0, run + 1), ends)
    steps = [
        _joined(first, others, start_in_block=False),
        _joined(first, others, start_in_block=True),
        _single(first),
        _single(others),
    ]
    return Steps(np.concatenate(steps).astype(np.int64), True)


def codes_of(table: HuffmanTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give length and value of the code with which each window begins; length 0 where none does (C.2)."""
    code_bits = np.zeros(1 << WINDOW, np.int64)
    symbol = np.zeros(1 << WINDOW, np.int64)
    place, number = 0, 0
    for length, count in enumerate(table.lengths, start=1):
        for _ in range(count):
            after = place + (1 << (WINDOW - length))
            code_bits[place:after], symbol[place:after] = length, table.values[number]
            place, number = after, number + 1
    return code_bits, symbol


def _single(one: Symbols) -> NDArray[np.int64]:
    return _step(one.bits, one.passed, np.zeros_like(one.bits), one.ends, one.ends.astype(np.int64))


def _step(
    bits: NDArray[np.int64],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    ended: NDArray[np.bool_],
    units: NDArray[np.int64],
) -> NDArray[np.int64]:
    fields = bits | before << BEFORE_SHIFT | after << AFTER_SHIFT
    return np.where(bits > 0, fields | ended.astype(np.int64) << ENDED_SHIFT | units << UNITS_SHIFT, NO_CODE)


def _joined(first: Symbols, others: Symbols, *, start_in_block: bool) -> NDArray[np.int64]:
    """
    Join all codes that lie whole within a window, the first one whatever its length.

    Codes are joined as long as the table knows which kind comes next: it does not where a block may be full.
    """
    windows = np.arange(1 << WINDOW)
    start = others if start_in_block else first
    bits, units = start.bits.copy(), start.ends.astype(np.int64)
    before, after = start.passed.copy(), np.zeros_like(bits)
    ended = start.ends.copy()
    in_block = ~start.ends
    going_on = bits > 0
    for _ in range(WINDOW):
        going_on = going_on & (bits < WINDOW)
        rest = windows << np.minimum(bits, WINDOW) & ((1 << WINDOW) - 1)
        more, passed, ends = (
            np.where(in_block, of_others[rest], of_first[rest])
            for of_others, of_first in zip(others, first, strict=True)
        )
        index = np.where(ended, after, before) + passed
        going_on = going_on & (more > 0) & (bits + more <= WINDOW) & (index < FULL)
        bits = np.where(going_on, bits + more, bits)
        before = np.where(going_on & ~ended, index, before)
        after = np.where(going_on & ended, np.where(ends, 0, index), after)
        ended = ended | (going_on & ends)
        units = np.where(going_on & ends, units + 1, units)
        in_block = np.where(going_on, ~ends, in_block)
    return _step(bits, before, after, ended, units)
