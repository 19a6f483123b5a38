"""An image that was not judged -> a coded report that says so, and why. From the header alone."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from highdicom.sr import TextContentItem
from pydicom import Dataset
from pydicom.sr.codedict import codes as dicom_codes
from pydicom.uid import UID, UID_dictionary

from sgseg_dicom.errors import (
    Disposition,
    InferenceError,
    InstanceError,
    InvalidDataset,
    InvalidResult,
    NotApplicable,
    SgsegError,
    StorageUnavailable,
    UndecodablePixels,
    UnsupportedObject,
)
from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.records import Algorithm, Unjudged
from sgseg_dicom.results import codes
from sgseg_dicom.results.basic_text_sr import TextReport, code, image, section, text, write_report
from sgseg_dicom.results.report_items import language_of
from sgseg_dicom.results.series import not_judged_keywords
from sgseg_dicom.results.source_header import identity_of

_DCM = dicom_codes.DCM
# PS3.16 CID 9300, 9302 and 9303 say why a procedure was discontinued.
_NOT_SUPPORTED = _DCM.ObjectTypesNotSupported
_MALFORMED = _DCM.ObjectsIncorrectlyFormatted
_NOT_MEDICAL = ("DICOS", "Eddy Current")  # pydicom lists the security and material testing standards too
UNSPECIFIED: codes.Code = _DCM.DiscontinuedForUnspecifiedReason
"""The reason that stands for every other one."""

CAUSES: Mapping[type[SgsegError], codes.Code] = MappingProxyType(
    {
        InvalidDataset: _MALFORMED,
        UndecodablePixels: _MALFORMED,
        UnsupportedObject: _NOT_SUPPORTED,
        InferenceError: _DCM.EquipmentFailure,
        StorageUnavailable: _DCM.ResourceInadequate,
        InvalidResult: _DCM.SoftwareFailure,
        InstanceError: UNSPECIFIED,
        SgsegError: _DCM.SoftwareFailure,
    }
)
"""By the class of any error but `NotApplicable`, or by the nearest class that it is derived from."""


def is_referable(sop_class: UID) -> bool:
    """Whether a report can refer to objects of a class: one of the standard's current edition that is stored."""
    name, kind, _, retired, _ = UID_dictionary.get(sop_class, ("",) * 5)
    stored = kind == "SOP Class" and sop_class.startswith("1.2.840.10008.5.1.4") and "Storage" in name
    return stored and not retired and not name.startswith(_NOT_MEDICAL)


def encode_not_judged(
    header: Dataset,
    error: SgsegError,
    *,
    algorithm: Algorithm,
    made_at: datetime,
    language: Language = ENGLISH,
) -> Dataset:
    """
    Write that an image was not judged: Not Attempted (111225) where it is at fault, Failed (111224) where we are.

    A Basic Text SR of TID 2000, coded and in words: viewers show it, and a measurement report without a
    measurement shows as nothing. It has no finding, no judgement of any zone, and no summary of CID 6047:
    "not judged" never reads as "normal".

    Args:
        header: of the image, as `sgseg_dicom.reading.read.read_header` gives it; the pixels may be undecodable.
        error: why it was not judged. The report says what the image's sender must do. Of our own failures it names
            the kind alone, since their messages name folders and devices.
        algorithm: who would have judged it.
        made_at: the site's local time.
        language: of the texts; cause and cure are in English.

    Raises:
        InvalidDataset: no report can refer to an image of an unknown SOP class.
    """
    if not is_referable(header.SOPClassUID):
        raise InvalidDataset(
            "the SOP class is unknown or retired: no report can refer to the image; send CR or DX"
        )
    unjudged = Unjudged(header=header)
    source = identity_of(unjudged)
    refused = error.disposition is Disposition.REJECT
    statements = [
        code(codes.STATUS, codes.NOT_ATTEMPTED if refused else codes.FAILED),
        code(codes.WHY_NOT_JUDGED, reason_code(error)),
        text(codes.SECTION_SUMMARY, language.not_judged(reason_of(error)) if refused else language.failed),
        _detail(error, algorithm, language),
    ]
    report = TextReport(
        form=f"ANSWER {reason_of(error)}{language.form}",
        series=not_judged_keywords(unjudged, language),
        sections=[
            section(codes.SECTION_SUMMARY, statements),
            section(codes.SECTION_IMAGES, [image(codes.SOURCE, source)]),
        ],
        evidence=[source],
    )
    return write_report(report, unjudged, algorithm=algorithm, made_at=made_at, language=language)


def reason_code(error: SgsegError) -> codes.Code:
    """Give the code of why an image was not judged: of its reason, or of the nearest class of the error."""
    if isinstance(error, NotApplicable):
        return codes.Code(*error.reason.code)
    return next(CAUSES[cause] for cause in type(error).__mro__ if cause in CAUSES)


def reason_of(error: SgsegError) -> str:
    """Give the reason in one word, for logs and status."""
    return error.reason.value if isinstance(error, NotApplicable) else type(error).__name__


def _detail(error: SgsegError, algorithm: Algorithm, language: Language) -> TextContentItem:
    """Say cause and cure, and by whom the image was not judged; marked as English among another language."""
    cause = (
        f"{reason_of(error)}: {error}." if error.disposition is Disposition.REJECT else f"{reason_of(error)}."
    )
    item = text(
        codes.SECTION_SUMMARY,
        f"{cause} This image was NOT judged by {algorithm.name} {algorithm.version}. "
        "The absence of a report is no report of absence: read the image as if this software did not exist.",
    )
    if language.code != ENGLISH.code:
        item.ContentSequence = language_of(ENGLISH)
    return item
