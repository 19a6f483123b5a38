"""
Image Orientation (Patient) (0020,0037): where columns and rows of an image lead in the patient, as unit vectors.

PS3.3 C.7.6.1.1.1 requires Patient Orientation (0020,0020) only where this attribute is absent. It has the direction
of growing column index and that of growing row index, in a system whose axes lead to the patient's left, back
(posterior) and head (C.7.6.2.1.1).
"""

import math

from pydicom import Dataset

from sgseg_dicom.attributes import numbers_of, text_of

_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))
"""Where an axis leads, and where its reverse does."""

_TOLERANCE = 0.05
"""How far a vector may be from length 1, and two from a right angle: some write two decimals."""

_OBLIQUE = 0.5
"""Component along the patient's depth of a direction across the patient from which a view is oblique: 30 degrees."""

_PLACEHOLDERS = frozenset((row, 0.0, 0.0, 0.0, column, 0.0) for row in (1.0, -1.0) for column in (1.0, -1.0))
"""What software writes that must write an orientation and knows none: an axial slice, which no radiograph is."""

Vector = tuple[float, float, float]


def state_orientation(header: Dataset) -> None:
    """
    Write Patient Orientation into a header that lacks it, from Image Orientation (Patient); the nearest axes count.

    So results repeat it. Nothing is written where neither is stated, or the latter tells nothing.
    """
    letters = letters_of_plane(header)
    if letters and not text_of(header, "PatientOrientation").strip("\\ "):
        header.PatientOrientation = list(letters)


def letters_of_plane(header: Dataset) -> tuple[str, str] | None:
    """Give the letters of Patient Orientation that are nearest to the vectors; None where there are none."""
    vectors = _vectors(header)
    return None if vectors is None else (_letter(vectors[0]), _letter(vectors[1]))


def is_stated_in_vain(header: Dataset) -> bool:
    """Whether there are numbers that are neither directions nor a placeholder (zeros, or what software writes)."""
    numbers = _stated(header)
    return any(numbers) and tuple(numbers) not in _PLACEHOLDERS and _vectors(header) is None


def is_oblique(header: Dataset) -> bool:
    """Whether the direction across the patient leads far to the front or back, though not mainly."""
    vectors = _vectors(header) or ()
    return any(_letter(vector) in "LR" and abs(vector[1]) >= _OBLIQUE for vector in vectors)


def _vectors(header: Dataset) -> tuple[Vector, Vector] | None:
    """Give where columns and rows lead, as unit vectors; None where absent, a placeholder, or no such pair."""
    numbers = _stated(header)
    if len(numbers) != 6 or tuple(numbers) in _PLACEHOLDERS:
        return None
    along_row, along_column = numbers[:3], numbers[3:]
    lengths = (math.hypot(*along_row), math.hypot(*along_column))
    crossing = sum(a * b for a, b in zip(along_row, along_column, strict=True))
    if any(abs(length - 1) > _TOLERANCE for length in lengths) or abs(crossing) > _TOLERANCE:
        return None
    return (along_row[0], along_row[1], along_row[2]), (along_column[0], along_column[1], along_column[2])


def _letter(vector: Vector) -> str:
    """Give the letter of the axis that is nearest."""
    axis = max(range(3), key=lambda number: abs(vector[number]))
    return _LETTERS[axis][vector[axis] < 0]


def _stated(header: Dataset) -> list[float]:
    """Give the numbers, of the image or its functional groups (PS3.3 C.7.6.16.2.4); none where there are none."""
    for place in _places(header):
        if "ImageOrientationPatient" in place:
            return numbers_of(place, "ImageOrientationPatient")
    return []


def _places(header: Dataset) -> list[Dataset]:
    """Give the data sets that may state it, the nearest to the frame first."""
    groups = [
        group
        for keyword in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
        for group in list(header.get(keyword) or ())[:1]
    ]
    return [header, *(item for group in groups for item in group.get("PlaneOrientationSequence") or ())]
