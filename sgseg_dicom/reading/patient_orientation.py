"""Patient Orientation (0020,0020) -> how the stored grid becomes the standard display."""

import re

from pydicom import Dataset

from sgseg_dicom.attributes import text_of
from sgseg_dicom.records import Orientation

_DIRECTION = re.compile(r"[LRAPHF]{1,3}")
_ACROSS, _DOWN = frozenset("LR"), frozenset("FH")


def directions_of(header: Dataset) -> tuple[str, str]:
    """
    Give where in the patient growing column index leads, and growing row index (PS3.3 C.7.6.1.1.1).

    One letter each of L, R, A, P, H, F, the first of an oblique direction; "" where none is stated.
    """
    values = [*text_of(header, "PatientOrientation").split("\\"), ""][:2]
    along_row, along_column = (value[:1] if _DIRECTION.fullmatch(value) else "" for value in values)
    return along_row, along_column


def is_usable(header: Dataset) -> bool:
    """Whether a stated orientation of a frontal image tells the side; an absent one is not to be asked."""
    along_row, along_column = directions_of(header)
    return (along_row in _ACROSS and along_column in _DOWN | {""}) or (
        along_row in _DOWN and along_column in _ACROSS
    )


def orientation_of(header: Dataset) -> Orientation:
    """
    Find the way to L\\F, the patient's right at the left edge and the head at the top.

    Directions that are absent or contradict each other count as standard display, except that a lone R is
    believed: it names the side, and the wrong side is the worst error.
    """
    along_row, along_column = directions_of(header)
    if along_row in _DOWN and along_column in _ACROSS:
        return Orientation(transpose=True, flip_rows=along_row == "H", flip_columns=along_column == "R")
    if along_row in _ACROSS and along_column in _DOWN | {""}:
        return Orientation(flip_rows=along_column == "H", flip_columns=along_row == "R")
    return Orientation()
