"""Patient Orientation (0020,0020), or cosines in its place -> how the stored grid becomes the standard display."""

import re

from pydicom import Dataset

from sgseg_dicom.attributes import text_of
from sgseg_dicom.reading.plane_orientation import is_oblique, is_stated_in_vain, letters_of_plane
from sgseg_dicom.records import Orientation, StatedOrientation

_DIRECTION = re.compile(r"[LRAPHF]{1,3}")


def stated_orientation_of(header: Dataset) -> StatedOrientation:
    """Read Patient Orientation, else Image Orientation (Patient); what is no direction counts as none."""
    text = text_of(header, "PatientOrientation")
    values = [*text.split("\\"), ""][:2]
    of_plane = letters_of_plane(header)
    in_letters = bool(text.strip("\\ "))
    letters = [value[:1] if _DIRECTION.fullmatch(value) else "" for value in values]
    along_row, along_column = letters if in_letters or of_plane is None else of_plane
    contradictory = of_plane is not None and any(
        one and one != other for one, other in zip((along_row, along_column), of_plane, strict=True)
    )
    return StatedOrientation(
        stated=in_letters or of_plane is not None or is_stated_in_vain(header),
        along_row=along_row,
        along_column=along_column,
        contradictory=contradictory,
        oblique=is_oblique(header),
    )


def orientation_of(stated: StatedOrientation) -> Orientation:
    """
    Find the way to L\\F, the patient's right at the left edge and the head at the top.

    Directions that are absent or contradict each other count as standard display, except that a lone R is
    believed: it names the side, and the wrong side is the worst error.
    """
    if not stated.tells_sides:
        return Orientation()
    if stated.along_row in ("L", "R"):
        return Orientation(flip_rows=stated.along_column == "H", flip_columns=stated.along_row == "R")
    return Orientation(
        transpose=True, flip_rows=stated.along_row == "H", flip_columns=stated.along_column == "R"
    )
