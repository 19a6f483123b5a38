"""
A judged radiograph -> the film that can be compared; None where its header does not say enough.

A comparison with another patient's film is worse than none. So whatever is missing, doubtful or a mere placeholder
ends it.
"""

import re
from datetime import date

from pydicom import Dataset

from sgseg_dicom.attributes import text_of
from sgseg_dicom.comparison.films import Film, FilmReference, Moment, Patient
from sgseg_dicom.records import Algorithm, Radiograph

_OLDEST_YEARS = 120
"""Nobody is older: 1900-01-01 is what systems write where they know no birth date."""
_SEXES = ("M", "F", "O")
_MOMENTS = (
    ("AcquisitionDate", "AcquisitionTime"),
    ("ContentDate", "ContentTime"),
    ("StudyDate", "StudyTime"),
)
_DAY = re.compile(r"\d{8}")
_TIME = re.compile(r"(\d{2})(\d{2})?(\d{2})?(\.\d{1,6})?")


def film_of(radiograph: Radiograph, algorithm: Algorithm) -> Film | None:
    """
    Read whose film it is, and when it was taken.

    None too where nothing states the image's sides: its right lung may be another film's left one.
    """
    header = radiograph.header
    taken = moment_of(header)
    if taken is None or not radiograph.display.sides_are_stated:
        return None
    patient = patient_of(header, taken)
    if patient is None:
        return None
    return Film(
        patient=patient,
        taken=taken,
        reference=FilmReference(
            sop_class_uid=str(header.SOPClassUID),
            sop_instance_uid=str(header.SOPInstanceUID),
            study_uid=str(header.StudyInstanceUID),
            series_uid=str(header.SeriesInstanceUID),
        ),
        weights=algorithm.weights_digest,
    )


def patient_of(header: Dataset, taken: Moment) -> Patient | None:
    """
    Read who the patient is; None where the header does not surely tell one from all others.

    An identifier without a digit, or of zeros alone, is a placeholder ("UNKNOWN"). A birth date is a day, at most
    120 years before the film. The name does not count: names change, and are written in many ways.
    """
    identifier = str(header.get("PatientID") or "").strip()
    if not re.search("[1-9]", identifier) or "\\" in identifier:
        return None
    birth_date, sex = text_of(header, "PatientBirthDate"), text_of(header, "PatientSex")
    if sex not in _SEXES or not _is_birth_date(birth_date, taken):
        return None
    issuer = _issuer_of(header)
    if issuer is None:
        return None
    return Patient(id=identifier, issuer=issuer, birth_date=birth_date, sex=sex)


def moment_of(header: Dataset) -> Moment | None:
    """
    Read when the film was taken: Acquisition DateTime (0008,002A), else the first date of acquisition, content and
    study, with its time; None where there is no date.
    """
    joined = re.fullmatch(
        r"(\d{8})(\d{2,6})?(\.\d{1,6})?([+-]\d{4})?", text_of(header, "AcquisitionDateTime")
    )
    if joined and _is_day(joined[1]):
        return Moment(joined[1], _time(joined[2] or ""))
    for day, time in _MOMENTS:
        if _is_day(text := text_of(header, day)):
            return Moment(text, _time(text_of(header, time)))
    return None


def _issuer_of(header: Dataset) -> tuple[str, str, str] | None:
    """Read who gave the identifier out; None where several are named."""
    qualifiers = list(header.get("IssuerOfPatientIDQualifiersSequence") or ())
    if len(qualifiers) > 1:
        return None
    item = qualifiers[0] if qualifiers else Dataset()
    universal = (str(item.get(key) or "").strip() for key in ("UniversalEntityID", "UniversalEntityIDType"))
    return (str(header.get("IssuerOfPatientID") or "").strip(), *universal)  # type: ignore[return-value]


def _is_birth_date(text: str, taken: Moment) -> bool:
    if not _is_day(text) or text > taken.date:
        return False
    return int(taken.date[:4]) - int(text[:4]) <= _OLDEST_YEARS


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _time(text: str) -> str:
    """Give six digits; "" where it is no time. Parts that are not stated are 0 (PS3.5 6.2, TM)."""
    found = _TIME.fullmatch(text)
    if not found:
        return ""
    return "".join(part or "00" for part in found.groups()[:3])
