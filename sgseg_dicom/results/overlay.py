"""
A picture of a finding over its radiograph, for people: PNG material, without DICOM semantics.

The film stands by itself, with nothing on it but the regions: the patient's sides are written beside it, so that the
marker that was exposed with it stays to be seen. All words stand in a column beside the film, or under a wide one.
"""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.picture_style import PictureStyle
from sgseg_dicom.records import Finding, Judgement, Radiograph
from sgseg_dicom.results.film import draw_film
from sgseg_dicom.results.lung_colours import LUNG_COLOURS as LUNG_COLOURS
from sgseg_dicom.results.share_line import write_comparison
from sgseg_dicom.results.text_column import (
    CAUTION,
    FAINT,
    GROUND,
    HEADING,
    LETTER,
    RULE,
    SMALL,
    TABLE_WIDTH,
    TEXT,
    TextColumn,
    font,
)
from sgseg_dicom.zones import ZONES, Laterality

LONGER_SIDE = 1024
"""Pixels of the radiograph's longer side in the picture. A smaller radiograph is enlarged, a larger one reduced."""

MARGIN = 28
GUTTER = 64
"""Pixels beside the film, for the letters of the patient's sides."""

_WIDE = 1.5
"""Width in heights from which the words stand under the film."""


def draw_overlay(
    radiograph: Radiograph,
    finding: Finding,
    *,
    warning: str,
    notes: Sequence[str] = (),
    language: Language = ENGLISH,
    style: PictureStyle = "outline",
) -> Image.Image:
    """
    Draw the standard display with each region in the colour of its lung, and what is reported beside it.

    Args:
        radiograph: the image.
        finding: regions on the stored grid.
        warning: what must be known of the picture: a draft, of which algorithm. It is written once.
        notes: faint lines at the end. No patient data.
        language: of what is written.
        style: how regions are marked.

    Returns:
        RGB picture; the film's longer side has `LONGER_SIDE` pixels. "R" and "L" are the patient's sides.
    """
    film = draw_film(radiograph, finding.regions, longer_side=LONGER_SIDE, style=style)
    framed = _with_sides(film)
    below = film.width >= _WIDE * film.height
    column = TextColumn(framed.width if below else TABLE_WIDTH, style)
    _write(column, radiograph, finding, language)
    column.rule()
    column.beside_bar([warning], SMALL, CAUTION)
    for note in notes:
        column.paragraph(note, SMALL, FAINT)
    return _joined(framed, column.picture(), below=below)


def _write(column: TextColumn, radiograph: Radiograph, finding: Finding, language: Language) -> None:
    """Write the finding, how much of each lung is marked, now and before, what is in doubt, what was not judged."""
    if caution := language.caution(radiograph):
        column.beside_bar(caution, SMALL, CAUTION)
        column.gap(16)
    column.paragraph(language.sentence(finding.zones), HEADING, TEXT)
    if finding.regions:
        column.gap(22)
        _write_legend(column, finding, language)
    write_comparison(column, finding, language)
    if doubts := [*_undetermined(finding, language), *language.doubts(finding)]:
        column.gap(22)
        column.beside_bar(doubts, SMALL, CAUTION)
    column.gap(22)
    for remark in (language.limits, *language.assumptions(finding, radiograph)):
        column.paragraph(remark, SMALL, FAINT)
        column.gap(8)


def _write_legend(column: TextColumn, finding: Finding, language: Language) -> None:
    """Write colour, side and marked share of each lung, then both and the score: right before left, always."""
    words, marked = language.picture, {region.laterality for region in finding.regions}
    column.paragraph(words.marked_share, SMALL, FAINT)
    column.gap(6)
    for side in Laterality:
        share = finding.lung_shares.get(side)
        if side not in marked:
            column.row(language.lung(side), words.nothing_marked, faint=True)
        elif share is None:
            column.row(language.lung(side), words.share_unknown, sample=LUNG_COLOURS[side], faint=True)
        else:
            column.row(language.lung(side), f"{language.percent(share)} %", sample=LUNG_COLOURS[side])
    if finding.share_of_both is not None or finding.severity is not None:
        column.rule()
    if finding.share_of_both is not None:
        column.row(words.both_lungs, f"{language.percent(finding.share_of_both)} %")
    if finding.severity is not None:
        column.row(words.severity, str(sum(finding.severity)))


def _undetermined(finding: Finding, language: Language) -> list[str]:
    """Name the zones of which nothing is said."""
    return [
        language.zone_statement(zone, Judgement.UNDETERMINED)
        for zone in ZONES
        if finding.judgement_of(zone) is Judgement.UNDETERMINED
    ]


def _with_sides(film: Image.Image) -> Image.Image:
    """Put the patient's sides beside the film, at its top, and a thin frame around it."""
    canvas = Image.new("RGB", (film.width + 2 * GUTTER, film.height + 2), GROUND)
    canvas.paste(film, (GUTTER, 1))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((GUTTER - 1, 0, GUTTER + film.width, film.height + 1), outline=RULE)
    for side, x in ((Laterality.RIGHT, GUTTER // 2), (Laterality.LEFT, canvas.width - GUTTER // 2)):
        draw.text((x, 4), side.value, font=font(LETTER), fill=TEXT, anchor="mt")
    return canvas


def _joined(film: Image.Image, words: Image.Image, *, below: bool) -> Image.Image:
    """Put the words beside the film, or *below* it."""
    if below:
        place = (MARGIN, MARGIN + film.height + MARGIN)
        size = (film.width + 2 * MARGIN, place[1] + words.height + MARGIN)
    else:
        place = (film.width + MARGIN, MARGIN)
        size = (place[0] + words.width + MARGIN, max(film.height, words.height) + 2 * MARGIN)
    canvas = Image.new("RGB", size, GROUND)
    canvas.paste(film, (MARGIN if below else 0, MARGIN))
    canvas.paste(words, place)
    return canvas
