"""
Why a sound image is not judged: one word for logs and status, one DICOM code for software. Imports no DICOM library.

The words for people are in the language files (`sgseg_dicom.language`), by the same word. To add a reason, add it
here and in [reason] of every language file; a test asks for both.
"""

from enum import StrEnum
from typing import NamedTuple


class ReasonCode(NamedTuple):
    """A coded concept (PS3.3 table 8.8-1) of PS3.16 CID 9300, 9302 or 9303 (why discontinued) or 6135 (quality)."""

    value: str
    scheme: str
    meaning: str


_NOT_SUPPORTED = ReasonCode("110522", "DCM", "Object Types not supported")
_MALFORMED = ReasonCode("110521", "DCM", "Objects incorrectly formatted")
_POOR_QUALITY = ReasonCode("110531", "DCM", "Insufficient quality for interpretation")
_NO_IMAGE = ReasonCode("111213", "DCM", "No image")
_POSITIONING = ReasonCode("111209", "DCM", "Positioning")
_PROCESSING = ReasonCode("111219", "DCM", "Inappropriate image processing")
_SPECIALIST = ReasonCode("110532", "DCM", "Interpretation requires specialist expertise")


class RefusalReason(StrEnum):
    """Every reason of `sgseg_dicom.errors.NotApplicable`. Queues and results store the values: they never change."""

    code: ReasonCode

    def __new__(cls, word: str, code: ReasonCode) -> "RefusalReason":
        """Make the member whose value is *word*."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.code = code
        return member

    # By header, size, padding and shutter (`sgseg_dicom.applicability.header_rules`).
    TOO_SMALL = "too-small", _POOR_QUALITY
    LATERAL_VIEW = "lateral-view", _NOT_SUPPORTED
    OBLIQUE_VIEW = "oblique-view", _NOT_SUPPORTED
    DECUBITUS_VIEW = "decubitus-view", _NOT_SUPPORTED
    PARTIAL_IMAGE = "partial-image", _NOT_SUPPORTED
    ORIENTATION = "orientation", _MALFORMED
    NOT_CHEST = "not-chest", _NOT_SUPPORTED
    NOT_A_PATIENT = "not-a-patient", _NOT_SUPPORTED
    CHILD = "child", _SPECIALIST
    # By both; "cut-off" by the lungs too (`sgseg_dicom.applicability.whole_lungs`).
    SIDE_UNKNOWN = "side-unknown", _MALFORMED
    BLANK = "blank", _NO_IMAGE
    CUT_OFF = "cut-off", _POSITIONING
    # By the pixels (`sgseg_dicom.applicability.image_check`).
    NOT_A_CHEST_IMAGE = "not-a-chest-image", _NOT_SUPPORTED
    INVERTED = "inverted", _PROCESSING
    ROTATED_IMAGE = "rotated-image", _POSITIONING
    UPSIDE_DOWN = "upside-down", _POSITIONING
    MIRRORED = "mirrored", _POSITIONING
    SATURATED = "saturated", _POOR_QUALITY
