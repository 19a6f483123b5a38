"""
JPEG Huffman codes (ISO/IEC 10918-1 Annex C) -> tables that step through an entropy-coded segment, 16 bits at a time.

A step is one number. It says how far to go on in the bits, and what has been passed there. Values are not decoded:
to know whether a segment holds as many blocks (or samples) as it must, their number is enough.
"""

from functools import cached_property, lru_cache
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
"""In `Steps.table`: how far behind the steps at a unit's start those within it lie, and those over one code."""


class Symbols(NamedTuple):
    """What the first code of each of the 65,536 windows says; int64 arrays of that length."""

    bits: NDArray[np.int64]
    """Length of the code and of the bits that belong to it; 0 where there is no code."""
    passed: NDArray[np.int64]
    """Coefficients that it stands for."""
    ends: NDArray[np.bool_]
    """Whether it ends the unit: a block, or a sample."""


class Steps:
    """
    The steps of one component.

    Args:
        first: what codes at the start of a unit say.
        others: what codes within a unit say; None where each code is a unit.
    """

    def __init__(self, first: Symbols, others: Symbols | None = None) -> None:
        self.counts_coefficients = others is not None
        self._kinds = (first, others or first)

    @cached_property
    def single(self) -> NDArray[np.int64]:
        """Steps over one code: first those at the start of a unit, then those within it."""
        return np.concatenate([_single(kind) for kind in self._kinds])

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """Steps over as many codes as the window holds, at the start and within, then `single`."""
        first, others = self._kinds
        at_start = _joined(first, others, start_in_block=False)
        within = _joined(first, others, start_in_block=True) if self.counts_coefficients else at_start
        return np.concatenate([at_start, within, self.single])


@lru_cache(maxsize=8)
def steps_of_samples(table: HuffmanTable) -> Steps:
    """Give the steps of the lossless process (H.1.2.2): each code is a sample, its value the bits behind it."""
    code, symbol = codes_of(table)
    extra = np.where(symbol < 16, symbol, 0)  # category 16 has none: its only value is 32,768
    bits = np.where((code > 0) & (symbol <= 16), code + extra, NO_CODE)
    return Steps(Symbols(bits, np.zeros_like(bits), np.ones(len(bits), np.bool_)))


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
    return Steps(first, others)


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
    start = others if start_in_block else first
    bits, units = start.bits.copy(), start.ends.astype(np.int64)
    before, after = start.passed.copy(), np.zeros_like(bits)
    ended = start.ends.copy()
    in_block = ~start.ends
    going_on = np.flatnonzero((bits > 0) & (bits < WINDOW))
    while going_on.size:
        rest = going_on << bits[going_on] & ((1 << WINDOW) - 1)
        inside = in_block[going_on]
        more, passed, ends = (
            np.where(inside, of_others[rest], of_first[rest])
            for of_others, of_first in zip(others, first, strict=True)
        )
        over = ended[going_on]
        index = np.where(over, after[going_on], before[going_on]) + passed
        fits = (more > 0) & (bits[going_on] + more <= WINDOW) & (index < FULL)
        going_on, more, index, ends, over = (part[fits] for part in (going_on, more, index, ends, over))
        bits[going_on] += more
        before[going_on] = np.where(over, before[going_on], index)
        after[going_on] = np.where(over & ~ends, index, 0)
        ended[going_on] |= ends
        units[going_on] += ends
        in_block[going_on] = ~ends
        going_on = going_on[bits[going_on] < WINDOW]
    return _step(bits, before, after, ended, units)
