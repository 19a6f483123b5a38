"""A column of text and a small table, one type scale: paragraphs and rows in, a picture of their height out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sgseg_dicom.picture_style import PictureStyle
from sgseg_dicom.results.film import paint_sample

Colour = tuple[int, int, int]

# Each size is four thirds of the one before.
SMALL, BODY, HEADING, LETTER = 18, 24, 32, 42
"""Heights of the letters, in pixels."""

GROUND: Colour = (16, 18, 22)
TEXT: Colour = (235, 238, 242)
FAINT: Colour = (168, 176, 186)
CAUTION: Colour = (250, 229, 140)
"""Pale, so that nobody takes it for the orange of the right lung; a bar at the left tells it without colour."""

RULE: Colour = (62, 68, 76)

# Roboto (Apache-2.0): Latin with all its accents, Greek and Cyrillic. Pillow's own font has ASCII only.
_FONT = Path(__file__).parent.parent / "fonts" / "Roboto-Regular.ttf"
_BAR_WIDTH, _INDENT, _BETWEEN = 5, 18, 6
_INSET = 2
"""Pixels before a line: some letters ("j") reach to the left of where they begin."""

_SAMPLE, _SAMPLE_INDENT = 22, 38
"""Pixels of a legend's sample, wide and high, and how far from the left the words begin."""

TABLE_WIDTH = 560
"""Pixels: in a wider one nobody could follow a row."""


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Give the font of pictures in one size."""
    return ImageFont.truetype(_FONT, size)


@dataclass(slots=True)
class TextColumn:
    """
    Takes paragraphs and rows from the top; each is wrapped to the width.

    Attributes:
        width: of the column, in pixels.
        style: of the samples in the table.
        height: of what it holds so far.
    """

    width: int
    style: PictureStyle = "outline"
    height: int = 0
    _draw: list[Callable[[Image.Image], None]] = field(default_factory=list)

    def paragraph(self, text: str, size: int, colour: Colour, *, x: int = 0) -> None:
        """Add a paragraph, *x* pixels from the left."""
        for line in wrapped(text, size, self.width - x - _INSET):
            self._write(line, size, colour, x=x + _INSET)
            self.height += _line_height(size)

    def beside_bar(self, texts: Sequence[str], size: int, colour: Colour) -> None:
        """Add paragraphs that must not be overlooked: a bar stands at their left."""
        top = self.height
        for place, text in enumerate(texts):
            self.gap(_BETWEEN if place else 0)
            self.paragraph(text, size, colour, x=_INDENT)
        box = (0, top + 3, _BAR_WIDTH - 1, self.height - 3)
        self._draw.append(lambda image: ImageDraw.Draw(image).rectangle(box, fill=colour))

    def row(self, label: str, value: str, *, sample: Colour | None = None, faint: bool = False) -> None:
        """Add a row of a table: the *label* at the left, with a *sample* of its colour, the *value* at the right."""
        if sample is not None:
            top = self.height + (_line_height(BODY) - _SAMPLE) // 2
            box = (0, top, _SAMPLE, top + _SAMPLE)
            self._draw.append(lambda image: paint_sample(image, box, sample, self.style))
        right = min(self.width, TABLE_WIDTH)
        lines = wrapped(label, BODY, right - _SAMPLE_INDENT)
        for line in lines:
            self._write(line, BODY, TEXT, x=_SAMPLE_INDENT)
            self.height += _line_height(BODY)
        used = _SAMPLE_INDENT + font(BODY).getlength(lines[-1]) + _INDENT
        if used + font(BODY).getlength(value) <= right:
            self.height -= _line_height(BODY)
        for line in wrapped(value, BODY, right - _SAMPLE_INDENT):
            self._write(line, BODY, FAINT if faint else TEXT, x=right, anchor="ra")
            self.height += _line_height(BODY)

    def drawing(self, height: int, draw: Callable[[Image.Image, int, int], None]) -> None:
        """
        Add a drawing.

        Args:
            height: in pixels.
            draw: is called with the picture, the drawing's first row, and its width.
        """
        top, width = self.height, min(self.width, TABLE_WIDTH)
        self._draw.append(lambda image: draw(image, top, width))
        self.height += height

    def gap(self, pixels: int) -> None:
        """Leave room."""
        self.height += pixels

    def rule(self) -> None:
        """Add a thin line with room around it."""
        y, right = self.height + 10, min(self.width, TABLE_WIDTH) - 1
        self._draw.append(lambda image: ImageDraw.Draw(image).line((0, y, right, y), fill=RULE))
        self.height += 20

    def picture(self) -> Image.Image:
        """Draw it all."""
        image = Image.new("RGB", (self.width, max(1, self.height)), GROUND)
        for draw in self._draw:
            draw(image)
        return image

    def _write(self, line: str, size: int, colour: Colour, *, x: int, anchor: str = "la") -> None:
        y = self.height
        self._draw.append(
            lambda image: ImageDraw.Draw(image).text(
                (x, y), line, font=font(size), fill=colour, anchor=anchor
            )
        )


def wrapped(text: str, size: int, width: int) -> list[str]:
    """Break *text* into lines of at most *width* pixels; a word that is longer is broken where it must be."""
    lines, current = list[str](), ""
    for word in _pieces(text, size, width):
        longer = f"{current} {word}".strip()
        if current and font(size).getlength(longer) > width:
            lines.append(current)
            longer = word
        current = longer
    return [*lines, current]


def _pieces(text: str, size: int, width: int) -> Iterator[str]:
    """Give the words of *text*, those that no line can hold in parts."""
    for word in text.split():
        rest = word
        while len(rest) > 1 and font(size).getlength(rest) > width:
            fits = next(
                n for n in range(len(rest) - 1, 0, -1) if n == 1 or font(size).getlength(rest[:n]) <= width
            )
            yield rest[:fits]
            rest = rest[fits:]
        yield rest


def undrawable(text: str) -> list[str]:
    """Give the characters of *text* that the font lacks: it would draw a box."""
    unknown = _drawn("\uffff")
    return sorted(
        {character for character in text if not character.isascii() and _drawn(character) == unknown}
    )


def _drawn(character: str) -> bytes:
    picture = Image.new("L", (48, 48))
    ImageDraw.Draw(picture).text((8, 4), character, font=font(24), fill=255)
    return picture.tobytes()


def _line_height(size: int) -> int:
    return round(1.34 * size)
