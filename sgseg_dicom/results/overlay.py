"""A picture of a finding over its radiograph, for people: PNG material, without DICOM semantics."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.records import Finding, LungRegion, Radiograph
from sgseg_dicom.row_blocks import row_blocks
from sgseg_dicom.zones import Laterality

LUNG_COLOURS: dict[Laterality, tuple[int, int, int]] = {
    Laterality.RIGHT: (255, 149, 0),
    Laterality.LEFT: (0, 176, 255),
}
"""sRGB of each lung's region; the SEG recommends the same to viewers."""

LONGER_SIDE = 960
"""Pixels of the radiograph's longer side in the picture."""

LEAST_WIDTH = 640
"""Pixels of the picture's width, however narrow the radiograph: the text needs them."""

# Roboto (Apache-2.0): Latin with all its accents, Greek and Cyrillic. Pillow's own font has ASCII only.
_FONT = Path(__file__).parent.parent / "fonts" / "Roboto-Regular.ttf"
_TINT = 0.28
_GROUND = (16, 18, 22)
_TEXT, _FAINT, _WARNING = (235, 238, 242), (160, 168, 178), (255, 196, 61)
_MARGIN = 18

_Line = tuple[str, int, tuple[int, int, int]]


def draw_overlay(
    radiograph: Radiograph,
    finding: Finding,
    *,
    title_lines: Sequence[str],
    language: Language = ENGLISH,
    longer_side: int = LONGER_SIDE,
) -> Image.Image:
    """
    Draw the standard display with each region tinted and outlined, and what is reported under it.

    Args:
        radiograph: the image.
        finding: regions on the stored grid.
        title_lines: above the image, the first one larger: what it is, algorithm, version. No patient data.
        language: of what is written under the image.
        longer_side: pixels of the radiograph's longer side in the picture.

    Returns:
        RGB picture. "R" and "L" are the patient's sides.
    """
    image = _shown(radiograph, longer_side)
    for region in finding.regions:
        _paint(image, region, radiograph)
    _mark_sides(image)
    return _stack(image, _titles(title_lines), _caption(radiograph, finding, language))


def draw_overlay_within(
    radiograph: Radiograph, finding: Finding, *, limit: int, title_lines: Sequence[str], language: Language
) -> Image.Image:
    """Draw as `draw_overlay` does, the picture with its text at most *limit* pixels wide and high."""
    bands = (_titles(title_lines), _caption(radiograph, finding, language))
    longer_side, excess = limit, limit
    while excess > 0 and longer_side > 1:
        width, height = _scaled(radiograph, longer_side)
        width = max(width, LEAST_WIDTH)
        height += sum(_height(_wrapped(lines, width)) for lines in bands)
        if (excess := max(width, height) - limit) > 0:
            longer_side = max(1, longer_side - excess)
    return draw_overlay(
        radiograph, finding, title_lines=title_lines, language=language, longer_side=longer_side
    )


def undrawable(text: str) -> list[str]:
    """Give the characters of *text* that the font lacks: it would draw a box."""
    unknown = _drawn("\uffff")
    return sorted(
        {character for character in text if not character.isascii() and _drawn(character) == unknown}
    )


def _drawn(character: str) -> bytes:
    picture = Image.new("L", (48, 48))
    ImageDraw.Draw(picture).text((8, 4), character, font=_font(24), fill=255)
    return picture.tobytes()


def _titles(title_lines: Sequence[str]) -> list[_Line]:
    return [
        (line, 24 if place == 0 else 17, _FAINT if place else _TEXT) for place, line in enumerate(title_lines)
    ]


def _caption(radiograph: Radiograph, finding: Finding, language: Language) -> list[_Line]:
    """Write the finding, what contradicts it, its size, what the model detects, what was assumed, and "draft"."""
    return [
        *((caution, 18, _WARNING) for caution in language.caution(radiograph)),
        (language.sentence(finding.zones), 22, _TEXT),
        *((doubt, 18, _WARNING) for doubt in language.doubts(finding)),
        *(
            (language.region_extent(region, radiograph), 18, LUNG_COLOURS[region.laterality])
            for region in finding.regions
        ),
        *((extent, 18, _TEXT) for extent in language.lung_extents(finding)),
        (language.limits, 17, _FAINT),
        *((assumption, 17, _FAINT) for assumption in language.assumptions(finding, radiograph)),
        (language.draft, 22, _WARNING),
    ]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONT, size)


def _shown(radiograph: Radiograph, longer_side: int) -> Image.Image:
    pixels = np.empty(radiograph.pixels.shape, dtype=np.uint8)
    for rows in row_blocks(pixels.shape):
        pixels[rows] = np.clip(radiograph.pixels[rows], 0, 1) * 255
    grey = Image.fromarray(pixels)
    return grey.resize(_scaled(radiograph, longer_side), Image.Resampling.LANCZOS).convert("RGB")


def _scaled(radiograph: Radiograph, longer_side: int) -> tuple[int, int]:
    rows, columns = radiograph.pixels.shape
    aspect = 1 / radiograph.pixel_aspect if radiograph.orientation.transpose else radiograph.pixel_aspect
    height = rows * aspect  # in pixels' widths
    scale = longer_side / max(height, columns)
    return max(1, round(columns * scale)), max(1, round(height * scale))


def _paint(image: Image.Image, region: LungRegion, radiograph: Radiograph) -> None:
    shown = np.ascontiguousarray(radiograph.orientation.to_display(region.mask).astype(np.uint8))
    large = Image.fromarray(shown * 255).resize(image.size, Image.Resampling.BILINEAR)
    mask = large.point(lambda value: 255 if value > 127 else 0)
    left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
    box = (max(left - 2, 0), max(top - 2, 0), min(right + 2, mask.width), min(bottom + 2, mask.height))
    mask, under = mask.crop(box), np.asarray(image.crop(box))
    inner = np.asarray(mask.filter(ImageFilter.MinFilter(3)))
    edge = (np.asarray(mask.filter(ImageFilter.MaxFilter(3))) > inner)[..., None]
    strength = np.where(edge, 1.0, (np.asarray(mask)[..., None] > 0) * _TINT)
    colour = np.array(LUNG_COLOURS[region.laterality])
    image.paste(Image.fromarray((under * (1 - strength) + colour * strength).astype(np.uint8)), box[:2])


def _mark_sides(image: Image.Image) -> None:
    draw = ImageDraw.Draw(image)
    font = _font(34)
    for side, x, anchor in (
        (Laterality.RIGHT, _MARGIN, "lt"),
        (Laterality.LEFT, image.width - _MARGIN, "rt"),
    ):
        draw.text(
            (x, _MARGIN),
            side.value,
            font=font,
            fill=_TEXT,
            anchor=anchor,
            stroke_width=2,
            stroke_fill="black",
        )


def _wrapped(lines: list[_Line], width: int) -> list[_Line]:
    out: list[_Line] = []
    for text, size, colour in lines:
        font, current = _font(size), ""
        for word in text.split():
            longer = f"{current} {word}".strip()
            if current and font.getlength(longer) > width - 2 * _MARGIN:
                out.append((current, size, colour))
                longer = word
            current = longer
        out.append((current, size, colour))
    return out


def _stack(image: Image.Image, head: list[_Line], foot: list[_Line]) -> Image.Image:
    width = max(image.width, LEAST_WIDTH)
    top, bottom = (_band(_wrapped(lines, width), width) for lines in (head, foot))
    canvas = Image.new("RGB", (width, top.height + image.height + bottom.height), _GROUND)
    canvas.paste(top, (0, 0))
    canvas.paste(image, ((width - image.width) // 2, top.height))
    canvas.paste(bottom, (0, top.height + image.height))
    return canvas


def _band(lines: list[_Line], width: int) -> Image.Image:
    band = Image.new("RGB", (width, _height(lines)), _GROUND)
    draw, y = ImageDraw.Draw(band), _MARGIN
    for text, size, colour in lines:
        draw.text((_MARGIN, y), text, font=_font(size), fill=colour)
        y += round(1.4 * size)
    return band


def _height(lines: list[_Line]) -> int:
    return sum(round(1.4 * size) for _, size, _ in lines) + (2 * _MARGIN if lines else 0)
