"""A picture of a finding over its radiograph, for people: PNG material, without DICOM semantics."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from sgseg_dicom.records import Finding, LungRegion, Radiograph
from sgseg_dicom.zones import Laterality

LUNG_COLOURS: dict[Laterality, tuple[int, int, int]] = {
    Laterality.RIGHT: (255, 149, 0),
    Laterality.LEFT: (0, 176, 255),
}
"""sRGB of each lung's region; the SEG recommends the same to viewers."""

LONGER_SIDE = 960
"""Pixels of the radiograph's longer side in the picture."""

DRAFT = "DRAFT - not for diagnosis"

_TINT = 0.28
_GROUND = (16, 18, 22)
_TEXT, _FAINT, _WARNING = (235, 238, 242), (160, 168, 178), (255, 196, 61)
_MARGIN = 18

_Line = tuple[str, int, tuple[int, int, int]]


def draw_overlay(radiograph: Radiograph, finding: Finding, *, title_lines: Sequence[str]) -> Image.Image:
    """
    Draw the standard display with each region tinted and outlined, and what is reported under it.

    Args:
        radiograph: the image.
        finding: regions on the stored grid.
        title_lines: above the image, the first one larger: what it is, algorithm, version. No patient data.

    Returns:
        RGB picture. "R" and "L" are the patient's sides.
    """
    image = _shown(radiograph)
    for region in finding.regions:
        image = _paint(image, region, radiograph)
    _mark_sides(image)
    head = [
        (line, 24 if place == 0 else 17, _FAINT if place else _TEXT) for place, line in enumerate(title_lines)
    ]
    foot = [(finding.sentence, 22, _TEXT)]
    foot += [(_legend(region), 18, LUNG_COLOURS[region.laterality]) for region in finding.regions]
    foot += [(DRAFT, 22, _WARNING)]
    return _stack(image, _wrapped(head, image.width), _wrapped(foot, image.width))


def _shown(radiograph: Radiograph) -> Image.Image:
    grey = Image.fromarray(np.asarray(np.clip(radiograph.pixels, 0, 1) * 255, dtype=np.uint8))
    scale = LONGER_SIDE / max(grey.size)
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return grey.resize(size, Image.Resampling.LANCZOS).convert("RGB")


def _paint(image: Image.Image, region: LungRegion, radiograph: Radiograph) -> Image.Image:
    shown = np.ascontiguousarray(radiograph.orientation.to_display(region.mask).astype(np.uint8))
    large = Image.fromarray(shown * 255).resize(image.size, Image.Resampling.BILINEAR)
    mask = large.point(lambda value: 255 if value > 127 else 0)
    inner = np.asarray(mask.filter(ImageFilter.MinFilter(3)))
    edge = (np.asarray(mask.filter(ImageFilter.MaxFilter(3))) > inner)[..., None]
    strength = np.where(edge, 1.0, (np.asarray(mask)[..., None] > 0) * _TINT)
    colour = np.array(LUNG_COLOURS[region.laterality])
    return Image.fromarray((np.asarray(image) * (1 - strength) + colour * strength).astype(np.uint8))


def _mark_sides(image: Image.Image) -> None:
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(34)
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


def _legend(region: LungRegion) -> str:
    return f"{region.laterality.word.capitalize()} lung: {100 * region.area_share:.1f} % of the image"


def _wrapped(lines: list[_Line], width: int) -> list[_Line]:
    out: list[_Line] = []
    for text, size, colour in lines:
        font, current = ImageFont.load_default(size), ""
        for word in text.split():
            longer = f"{current} {word}".strip()
            if current and font.getlength(longer) > width - 2 * _MARGIN:
                out.append((current, size, colour))
                longer = word
            current = longer
        out.append((current, size, colour))
    return out


def _stack(image: Image.Image, head: list[_Line], foot: list[_Line]) -> Image.Image:
    top, bottom = _band(head, image.width), _band(foot, image.width)
    canvas = Image.new("RGB", (image.width, top.height + image.height + bottom.height), _GROUND)
    canvas.paste(top, (0, 0))
    canvas.paste(image, (0, top.height))
    canvas.paste(bottom, (0, top.height + image.height))
    return canvas


def _band(lines: list[_Line], width: int) -> Image.Image:
    height = sum(round(1.4 * size) for _, size, _ in lines) + (2 * _MARGIN if lines else 0)
    band = Image.new("RGB", (width, height), _GROUND)
    draw, y = ImageDraw.Draw(band), _MARGIN
    for text, size, colour in lines:
        draw.text((_MARGIN, y), text, font=ImageFont.load_default(size), fill=colour)
        y += round(1.4 * size)
    return band
