"""What a list of series shows of a result: its Series Number, and a description whose first words tell what it is."""

import hashlib
import re
from typing import Any

from pydicom import Dataset

from sgseg_dicom.attributes import UNPARSABLE
from sgseg_dicom.language.language import Language
from sgseg_dicom.records import Finding, Source
from sgseg_dicom.result_kinds import NOT_JUDGED, OBJECT_TYPES, Kind, ObjectType
from sgseg_dicom.zones import ZONES, Laterality

_FIRST = 9000
"""Far from the series numbers of a modality."""

_UNNUMBERED = 1_000_000_000
"""Where the numbers begin for images whose own is no number, or too large. All are valid IS (PS3.5 6.2)."""

_LARGEST = (_UNNUMBERED - _FIRST) // 10 - 1
_LONG_STRING = 64
_VIEW = re.compile(r"[A-Z]{2,4}")
_MARKED = (Kind.SEG, Kind.STATE)
"""The kinds that show nothing but marked regions."""


def series_keywords(image: Source, kind: Kind, finding: Finding, language: Language) -> dict[str, Any]:
    """
    Give number and description of the series of one kind of result, for highdicom's constructors.

    The description begins with what the object is and which lungs it is about, in 20 characters or so: lists of
    series cut the rest. In parentheses follows which film it is of, as lists name it: (S2 PA) is series 2, view PA.
    """
    said = language.series(kind, reported_sides(kind, finding))
    return {
        "series_number": series_number(image, OBJECT_TYPES[kind]),
        "series_description": _with_film(said, image.header),
    }


def not_judged_keywords(image: Source, language: Language) -> dict[str, Any]:
    """Give the same for the report that an image was not judged."""
    return {
        "series_number": series_number(image, NOT_JUDGED),
        "series_description": _with_film(language.not_judged_title, image.header),
    }


def reported_sides(kind: Kind, finding: Finding) -> tuple[Laterality, ...]:
    """Give the lungs of the patient that a kind of result says something is in, the right one first."""
    sides = {region.laterality for region in finding.regions}
    if kind not in _MARKED:
        sides |= {zone.laterality for zone, present in zip(ZONES, finding.zones, strict=True) if present}
    return tuple(side for side in Laterality if side in sides)


def content_label(kind: Kind, finding: Finding) -> str:
    """Give the Content Label (0070,0080) of a SEG or a presentation state, for example "AI_DRAFT_R_L"."""
    return "_".join(("AI_DRAFT", *(side.value for side in reported_sides(kind, finding))))


def series_number(image: Source, object_type: ObjectType) -> int:
    """
    Derive a Series Number (0020,0011) from that of the image: 9000 + 10 times it + the kind's place.

    So each series of images has its own, and no two kinds meet: the mask of series 1 is 9011, that of series 2 9021.
    Where the image states none, or one outside 0 and 99,999,099, its Series Instance UID stands in: above
    1,000,000,000.
    """
    stated = _integer(image.header, "SeriesNumber")
    if stated is not None and 0 <= stated <= _LARGEST:
        return _FIRST + 10 * stated + object_type.series_place
    digest = hashlib.sha256(str(image.header.get("SeriesInstanceUID", "")).encode()).digest()
    place = int.from_bytes(digest[:8], "big") % 100_000_000
    return _UNNUMBERED + 10 * place + object_type.series_place


def _with_film(said: str, header: Dataset) -> str:
    """Add which film it is: its series, its number in it unless it is the first, its view; where there is room."""
    series, instance = (_integer(header, keyword) for keyword in ("SeriesNumber", "InstanceNumber"))
    view = str(header.get("ViewPosition") or "")
    parts = [
        f"S{series}" if series is not None else "",
        f"I{instance}" if instance is not None and instance > 1 else "",
        view if _VIEW.fullmatch(view) else "",
    ]
    film = " ".join(filter(None, parts))
    whole = f"{said} ({film})" if film else said
    return whole if len(whole) <= _LONG_STRING else said


def _integer(header: Dataset, keyword: str) -> int | None:
    try:
        return int(str(header.get(keyword)))
    except (ValueError, *UNPARSABLE):
        return None
