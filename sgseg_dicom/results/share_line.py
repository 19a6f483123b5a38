"""The comparison with earlier films as a small line of points: the marked share of each lung over time."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from PIL import Image, ImageDraw

from sgseg_dicom.comparison.compare import Comparison
from sgseg_dicom.comparison.films import Moment, Shares
from sgseg_dicom.language.language import Language, written_day
from sgseg_dicom.records import Finding
from sgseg_dicom.results.lung_colours import LUNG_COLOURS
from sgseg_dicom.results.text_column import FAINT, GROUND, RULE, SMALL, TEXT, TextColumn, font
from sgseg_dicom.zones import Laterality

_HEIGHT = 150
"""Pixels of the line with its dates."""
_TOP, _BASE = 14, 116
"""Rows of the highest percent of the scale, and of nothing marked."""
_LEFT, _RIGHT = 78, 34
"""Pixels beside the points: for the scale, and for the letter of each lung."""
_SCALES = (10, 25, 50, 100)
"""Percent at the top: the least of these that no point exceeds."""
_FINE = 4
"""Times that the lines are drawn larger, so that they are smooth."""
_BETWEEN_LETTERS = 20
_RADIUS = {Laterality.RIGHT: 7, Laterality.LEFT: 4}
"""Pixels of a point: the left lung's is drawn last, and the right one's is still seen around it."""


class _Points(NamedTuple):
    """
    The points of one lung.

    Attributes:
        side: the PATIENT's lung.
        places: (x, y) in pixels of the drawing, the oldest first.
        is_last_now: whether the last one is of this film.
    """

    side: Laterality
    places: list[tuple[float, float]]
    is_last_now: bool


def write_comparison(column: TextColumn, finding: Finding, language: Language) -> None:
    """Write how each lung differs from the earlier film, and draw all earlier ones; nothing without a comparison."""
    comparison = finding.comparison
    if comparison is None:
        return
    column.gap(22)
    *sentences, limit = language.comparison(finding)
    for sentence in sentences:
        column.paragraph(sentence, SMALL, TEXT)
        column.gap(6)
    shares = finding.comparable_shares
    column.drawing(_HEIGHT, lambda image, top, width: _draw(image, top, width, comparison, shares))
    column.gap(8)
    column.paragraph(limit, SMALL, FAINT)


def _draw(image: Image.Image, top: int, width: int, comparison: Comparison, shares: Shares) -> None:
    """Draw scale, points and lines, the letter of each lung at its end, and the first and the last date."""
    films = [(film.taken, film.shares) for film in comparison.earlier] + [(comparison.taken, shares)]
    scale = _scale(films)
    lines = _points(films, scale, width)
    image.paste(_lines(lines, width), (0, top))
    draw, small = ImageDraw.Draw(image), font(SMALL)
    draw.text((_LEFT - 14, top + _TOP), f"{scale} %", font=small, fill=FAINT, anchor="rm")
    draw.text((_LEFT - 14, top + _BASE), "0 %", font=small, fill=FAINT, anchor="rm")
    for side, y in _letters(lines).items():
        place = (width - _RIGHT + 16, top + y)
        draw.text(place, side.value, font=small, fill=LUNG_COLOURS[side], anchor="lm")
    first = written_day(films[0][0], beside=comparison.taken)
    last = written_day(comparison.taken, beside=films[0][0])
    draw.text((_LEFT - 8, top + _HEIGHT - 6), first, font=small, fill=FAINT, anchor="ls")
    draw.text((width - _RIGHT + 8, top + _HEIGHT - 6), last, font=small, fill=FAINT, anchor="rs")


def _scale(films: Sequence[tuple[Moment, Shares]]) -> int:
    highest = max(100 * share for _, shares in films for share in shares.values())
    return next(scale for scale in _SCALES if highest <= scale or scale == _SCALES[-1])


def _points(films: Sequence[tuple[Moment, Shares]], scale: int, width: int) -> list[_Points]:
    """
    Place the points of each lung.

    A lung that was never marked has none: a line along the base would read as a judgement of it.
    """
    across = [_LEFT + place * (width - _LEFT - _RIGHT) for place in _places([taken for taken, _ in films])]
    found = []
    for side in Laterality:
        if not any(shares.get(side) for _, shares in films):
            continue
        places = [
            (x, _BASE - (_BASE - _TOP) * min(100 * shares[side] / scale, 1))
            for x, (_, shares) in zip(across, films, strict=True)
            if side in shares
        ]
        found.append(_Points(side, places, is_last_now=side in films[-1][1]))
    return found


def _places(moments: Sequence[Moment]) -> list[float]:
    """Place moments between 0 (the first) and 1 (the last) as time passes; evenly where a time is none of a clock."""
    days = [_days(moment) for moment in moments]
    span = days[-1] - days[0]
    if span <= 0:
        return [number / (len(days) - 1) for number in range(len(days))]
    return [min(max((day - days[0]) / span, 0), 1) for day in days]


def _days(moment: Moment) -> float:
    """Give a moment in days; by hand, since headers also state a time as 24:00:00 or with 60 seconds."""
    day = date(int(moment.date[:4]), int(moment.date[4:6]), int(moment.date[6:])).toordinal()
    hours, minutes, seconds = (int(moment.time[at : at + 2] or 0) for at in (0, 2, 4))
    return day + (hours * 3600 + minutes * 60 + seconds) / 86400


def _lines(lines: Sequence[_Points], width: int) -> Image.Image:
    """Draw base, points and lines large, and make them smaller; this film's points are larger and have a ring."""
    canvas = Image.new("RGB", (width * _FINE, _HEIGHT * _FINE), GROUND)
    draw = ImageDraw.Draw(canvas)
    for y in (_TOP, _BASE):
        ends = (_LEFT * _FINE, y * _FINE, (width - _RIGHT) * _FINE, y * _FINE)
        draw.line(ends, fill=RULE, width=_FINE)
    for one in lines:
        colour, places = LUNG_COLOURS[one.side], [(x * _FINE, y * _FINE) for x, y in one.places]
        draw.line(places, fill=colour, width=2 * _FINE, joint="curve")
        for place in places:
            draw.circle(place, _RADIUS[one.side] * _FINE, fill=colour)
        if one.is_last_now:
            radius = (_RADIUS[one.side] + 3) * _FINE
            draw.circle(places[-1], radius, fill=colour, outline=TEXT, width=_FINE)
    return canvas.resize((width, _HEIGHT), Image.Resampling.LANCZOS)


def _letters(lines: Sequence[_Points]) -> Mapping[Laterality, float]:
    """Give the row of the letter of each lung that was measured on this film, apart from each other."""
    rows = {one.side: one.places[-1][1] for one in lines if one.is_last_now}
    if len(rows) < 2:
        return rows
    upper, lower = sorted(rows, key=rows.__getitem__)
    push = max(0.0, _BETWEEN_LETTERS - (rows[lower] - rows[upper])) / 2
    return {upper: rows[upper] - push, lower: rows[lower] + push}
