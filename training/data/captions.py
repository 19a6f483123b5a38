"""
Captions -> zones and wording in PATIENT laterality, once, here.

The captions of QaTa-COV19 name the side as seen on the image, which is the other lung of the patient (measured:
of 943 captions that say "left" only, 99.2 % of the mask lies in the image's left half).
"""

import re
from collections.abc import Iterable
from typing import Literal

from sgseg_dicom.zones import UnknownReport, ZoneBits, mirrored, report_of, zones_of

Captions = Literal["original", "refined"]
"""As first annotated (Li et al.), or as the SGSeg authors refined them."""

_OTHER = {"left": "right", "right": "left"}


def first_readable(candidates: Iterable[str | None]) -> tuple[str, ZoneBits] | None:
    """Give the first caption that the grammar reads, and its zones, in patient laterality; None if none is."""
    for caption in candidates:
        try:
            if caption:
                return with_sides_swapped(caption), mirrored(zones_of(caption))
        except UnknownReport:
            continue
    return None


def caption_of(zones: ZoneBits) -> str:
    """
    Write what a caption of the data set would say of *zones*, in patient laterality.

    As `sgseg_dicom.zones.report_of`, but the image's left lung, the patient's right, stands first.
    """
    return with_sides_swapped(report_of(mirrored(zones)))


def with_sides_swapped(caption: str) -> str:
    """Swap the words "left" and "right"."""
    return re.sub(r"\b(left|right)\b", lambda side: _OTHER[side[0].lower()], caption, flags=re.IGNORECASE)
