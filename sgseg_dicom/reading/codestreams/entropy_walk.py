"""
Walk through Huffman-coded segments and count their units, without decoding them.

Each code says where the next one begins, so a walk is one step after the other, which is slow in Python. But from
nearly any place in a segment a walk falls into the right one after a few codes. So many walks ("lanes") go at the
same time, side by side in an array, each through its own part of a segment. A lane starts a little before its part.
Where a lane does not end exactly where the next one began, the next part is walked again, from the right place.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.reading.codestreams.huffman_steps import (
    AC_OFFSET,
    AFTER_SHIFT,
    BEFORE_SHIFT,
    BITS,
    ENDED_SHIFT,
    FULL,
    INDEX,
    NO_CODE,
    SINGLE_OFFSET,
    UNITS_SHIFT,
    WINDOW,
    Steps,
)

_MOST_LANES = 4096
_LEAST_BITS = 2048
"""Bits that a lane has at least."""

_RUN_UP_UNITS, _LEAST_RUN_UP = 8, 512
"""A lane starts so many units, or bits, before its part: from a wrong place a walk needs some to be right."""

_REPAIRS = 8
_FEW = 16
"""So few lanes are walked again one by one."""


class Place(NamedTuple):
    """Where a walk stands: the bit, the index of the next coefficient in its block, the units that have ended."""

    bit: int
    index: int = 0  # type: ignore[assignment]  # not the method of a tuple
    units: int = 0


class Lanes(NamedTuple):
    """The same of many walks, int64 each; and which of them met bits that are no code of the segment."""

    bit: NDArray[np.int64]
    index: NDArray[np.int64]  # type: ignore[assignment]  # not the method of a tuple
    units: NDArray[np.int64]
    lost: NDArray[np.bool_]


class Walker:
    """
    Walks through entropy-coded segments.

    A walk that meets bits that are no code, or a block with too many coefficients, is lost: None is its place.

    Args:
        data: the segments, one behind the other, without stuffed bytes (B.1.1.5).
        steps: of their codes.
    """

    def __init__(self, data: bytes, steps: Steps) -> None:
        self._data = data + bytes(8 - len(data) % 4)
        self._steps = steps
        self._single = steps.single.data
        self._windows: NDArray[np.int64] = np.zeros(0, np.int64)

    def places_at(self, spans: Sequence[tuple[int, int]], units: int) -> list[Place | None]:
        """
        Walk each span (first bit, stop) from its first bit to the first code at or behind its stop.

        *units*: about how many there are in all spans.
        """
        run_up = max(_LEAST_RUN_UP, _RUN_UP_UNITS * 8 * len(self._data) // max(1, units))
        borders = _borders(spans)
        self._windows = _windows(self._data)
        begin, stops = borders[:, 0].copy(), borders[:, 1]
        first = borders[:, 2] == begin
        start = np.where(first, begin, np.maximum(begin - run_up, borders[:, 2]))
        near = self._walked(_starting(start), begin)
        begin_at = near._replace(units=np.zeros_like(near.units), lost=np.zeros_like(near.lost))
        end = self._walked(begin_at, stops)
        self._repair(begin_at, end, stops, first)
        return self._joined(begin_at, end, stops.tolist(), first.tolist())

    def place_after(self, place: Place, units: int, stop: int) -> Place | None:
        """Walk from *place*, code by code, until so many *units* have ended; None where that is behind *stop*."""
        while place.units < units and place.bit < stop:
            moved = self.moved(place)
            if moved is None:
                return None
            place = moved
        return place if place.units == units and place.bit <= stop else None

    def moved(self, place: Place) -> Place | None:
        """Walk one code on."""
        return self._moved(place, self._single)

    def _repair(self, begin: Lanes, end: Lanes, stops: NDArray[np.int64], first: NDArray[np.bool_]) -> None:
        """Walk lanes again that began at a wrong place, from where the lane before them ended."""
        for _ in range(_REPAIRS):
            differs = (end.bit[:-1] != begin.bit[1:]) | (end.index[:-1] != begin.index[1:])
            wrong = 1 + np.flatnonzero(differs & ~first[1:])
            if len(wrong) < _FEW:
                return
            begin.bit[wrong], begin.index[wrong] = end.bit[wrong - 1], end.index[wrong - 1]
            again = self._walked(Lanes._make(column[wrong] for column in begin), stops[wrong])
            for column, values in zip(end, again, strict=True):
                column[wrong] = values

    def _joined(self, begin: Lanes, end: Lanes, stops: list[int], first: list[bool]) -> list[Place | None]:
        """Join the lanes of each span; the few that still began at a wrong place are walked one by one."""
        places: list[Place | None] = []
        place: Place | None = None
        columns = zip(*(column.tolist() for column in (*begin[:2], *end)), stops, first, strict=True)
        for bit, index, to_bit, to_index, units, lost, stop, is_first in columns:
            if is_first:
                places.append(None)
                place = Place(bit, index)
            if place is None:
                continue
            if (place.bit, place.index) != (bit, index):
                place = self._followed(place, stop)
            else:
                place = None if lost else Place(to_bit, to_index, place.units + units)
            places[-1] = place
        return places

    def _followed(self, place: Place, stop: int) -> Place | None:
        """Do for one walk what `_walked` does for many."""
        many = self._steps.table.data
        while place.bit < stop:
            moved = self._moved(place, many) if place.bit + WINDOW <= stop else None
            if moved is None:  # near *stop*, or where a block may be full
                moved = self.moved(place)
            if moved is None:
                return None
            place = moved
        return place

    def _moved(self, place: Place, steps: memoryview) -> Place | None:
        bit, index, units = place
        first = bit >> 3
        window = int.from_bytes(self._data[first : first + 3], "big") >> (8 - (bit & 7)) & 0xFFFF
        step = steps[window + (AC_OFFSET if index else 0)]
        index += step >> BEFORE_SHIFT & INDEX
        ended = step >> ENDED_SHIFT & 1
        if step == NO_CODE or index + ended > FULL:
            return None
        index = step >> AFTER_SHIFT & INDEX if ended else index
        units += step >> UNITS_SHIFT
        return Place(bit + (step & BITS), index % FULL, units + index // FULL)

    def _walked(self, lanes: Lanes, stops: NDArray[np.int64]) -> Lanes:
        """Walk each lane to the first code at or behind its stop; a lost one goes on a bit further."""
        result = Lanes._make(column.copy() for column in lanes)
        going = np.flatnonzero(lanes.bit < stops)
        now = Lanes._make(column[going] for column in lanes)
        stops = stops[going]
        by_one = np.zeros(len(going), np.bool_)
        while going.size:
            now, by_one = self._stepped(now, by_one | (now.bit > stops - WINDOW))
            there = now.bit >= stops
            if there.any():
                for column, values in zip(result, now, strict=True):
                    column[going[there]] = values[there]
                rest = ~there
                now, going = Lanes._make(column[rest] for column in now), going[rest]
                stops, by_one = stops[rest], by_one[rest]
        return result

    def _stepped(self, now: Lanes, by_one: NDArray[np.bool_]) -> tuple[Lanes, NDArray[np.bool_]]:
        """Give all lanes one step on, and which of them must go on by one code, since their block may be full."""
        bit, index, units, lost = now
        place = self._windows[bit >> 5] >> (47 - (bit & 31)) & 0xFFFF
        place += by_one * SINGLE_OFFSET
        if not self._steps.counts_coefficients:
            step = self._steps.table.take(place, mode="clip")
            stray = step == NO_CODE
            after = Lanes(bit + (step & BITS) + stray, index, units + (step >> UNITS_SHIFT), lost | stray)
            return after, np.zeros_like(stray)
        place += (index > 0) * AC_OFFSET
        step = self._steps.table.take(place, mode="clip")
        ended = step >> ENDED_SHIFT & 1
        reached = index + (step >> BEFORE_SHIFT & INDEX)
        too_far = reached + ended > FULL
        stray = (step == NO_CODE) | (too_far & by_one)
        moved = ~(too_far | stray)
        reached = np.where(ended, step >> AFTER_SHIFT & INDEX, reached)
        after = Lanes(
            bit + np.where(moved, step & BITS, stray),
            np.where(moved, reached & (FULL - 1), index * ~stray),
            units + moved * ((step >> UNITS_SHIFT) + (reached >> 6)),
            lost | stray,
        )
        return after, too_far & ~stray


def _borders(spans: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Cut spans into lanes: int64 (lanes, 3), first bit, stop, and the first bit of the span."""
    least = max(_LEAST_BITS, sum(stop - begin for begin, stop in spans) // _MOST_LANES)
    lanes = []
    for begin, stop in spans:
        cuts = np.linspace(begin, stop, max(1, (stop - begin) // least) + 1).astype(np.int64)
        lanes.append(np.stack([cuts[:-1], cuts[1:], np.full(len(cuts) - 1, begin)], axis=1))
    return np.concatenate(lanes)


def _starting(bits: NDArray[np.int64]) -> Lanes:
    zeros = np.zeros_like(bits)
    return Lanes(bits, zeros, zeros, np.zeros(len(bits), np.bool_))


def _windows(data: bytes) -> NDArray[np.int64]:
    """Give the 63 bits from each fourth byte on, as one number."""
    words = np.frombuffer(data, ">u4", len(data) // 4).astype(np.int64)
    return words[:-1] << 31 | words[1:] >> 1
