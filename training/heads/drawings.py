"""Drawings of lungs, zones, mask and shares: no pixel of a film, only what was found on it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sgseg_dicom.findings.lung_fields import lung_fields_of, zone_rows
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.inference.network import Network
from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.preprocess import preprocess
from sgseg_dicom.records import Finding, Prediction
from sgseg_dicom.zones import Laterality
from training.data import DataError, read_split
from training.data.film import Film, Group
from training.data.other_sources import read_other_sources
from training.evaluation.film_as_radiograph import radiograph_of
from training.heads.films import QATA

_COLUMNS, _WORDS = 4, 44
_GREY, _EDGE, _ZONE = (225, 225, 225), (90, 90, 90), (150, 150, 150)
_MARK = {Laterality.RIGHT: (230, 130, 40), Laterality.LEFT: (50, 110, 200)}


DRAWN: Sequence[tuple[str, Group, int]] = (
    ("jsrt", Group.NORMAL, 5),
    ("jsrt", Group.NODULE, 9),
    ("nih", Group.NORMAL, 11),
    ("nih", Group.PNEUMONIA, 40),
    ("cohen", Group.COVID, 20),
    ("cohen", Group.COVID, 90),
    (QATA, Group.COVID, 30),
    (QATA, Group.COVID, 200),
)
"""Source, group, and place among the films of both in the order of their names; it begins anew behind the last."""


def drawn_films(data: Path, other: Path) -> list[Film]:
    """
    Give the films of the figure, one for each of `DRAWN`; those of QaTa-COV19 are of valid.

    Raises:
        DataError: a folder is not as it should be, or has no film of a source and group.
    """
    films = read_other_sources(other)
    films += [
        Film(item=item, source=QATA, group=Group.COVID, licence="") for item in read_split(data, "valid")
    ]
    chosen = []
    for source, group, place in DRAWN:
        fitting = [film for film in films if film.source == source and film.group is group]
        if not fitting:
            raise DataError(f"{other} has no film of {source}, {group.value}; the figure shows one")
        chosen.append(fitting[place % len(fitting)])
    return chosen


def draw_lungs(network: Network, films: Sequence[Film], out: Path) -> None:
    """
    Judge *films* and draw what was found, four in a row, to the PNG file *out*.

    Grey: the lungs, with the bounds of their zones; orange and blue: what is marked in the patient's right and left
    lung. Below: source, and the share of each lung that is marked.
    """
    rows = -(-len(films) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * INPUT_SIZE, rows * (INPUT_SIZE + _WORDS)), "white")
    for place, film in enumerate(films):
        radiograph = radiograph_of(film.item)
        prediction = network.judge([preprocess(radiograph)])[0]
        panel = _panel(prediction, measure(prediction, radiograph), film)
        sheet.paste(panel, (place % _COLUMNS * INPUT_SIZE, place // _COLUMNS * (INPUT_SIZE + _WORDS)))
    sheet.save(out, optimize=True)


def _panel(prediction: Prediction, finding: Finding, film: Film) -> Image.Image:
    panel = np.full((INPUT_SIZE + _WORDS, INPUT_SIZE, 3), 255, dtype=np.uint8)
    lungs = lung_fields_of(prediction.lungs)
    for field in lungs.values():
        panel[:INPUT_SIZE][field.mask] = _GREY
        panel[:INPUT_SIZE][_outline(field.mask)] = _EDGE
        component = field.enlarged((INPUT_SIZE, INPUT_SIZE))
        for rows in zone_rows(component)[1:]:
            line = component.rows.start + rows.start
            panel[line, component.columns][component.mask[rows.start]] = _ZONE
    for region in finding.regions:
        stored = Image.fromarray(region.mask.astype(np.uint8) * 255).resize((INPUT_SIZE, INPUT_SIZE))
        marked = np.asarray(stored) > 127
        panel[:INPUT_SIZE][marked] = (
            panel[:INPUT_SIZE][marked] * 0.4 + np.array(_MARK[region.laterality]) * 0.6
        )
    image = Image.fromarray(panel)
    draw = ImageDraw.Draw(image)
    shares = ", ".join(f"{side.value} {share:.0%}" for side, share in finding.lung_shares.items())
    draw.text((4, INPUT_SIZE + 2), f"{film.source}, {film.group.value}", fill="black")
    draw.text((4, INPUT_SIZE + 16), f"marked: {shares or 'lungs not found'}", fill="black")
    draw.text((4, INPUT_SIZE + 30), "R" + " " * 30 + "L", fill=_EDGE)
    return image


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    within = np.pad(mask, 1)
    inner = within[:-2, 1:-1] & within[2:, 1:-1] & within[1:-1, :-2] & within[1:-1, 2:]
    return mask & ~inner
