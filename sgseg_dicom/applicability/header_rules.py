"""
Is this an adult frontal chest radiograph that the model may judge?

Header, size, and what is hidden. `views` and `body_part` have the words for two of the questions; `image_check` asks
the pixels afterwards.
"""

import re
from datetime import date

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from sgseg_dicom.applicability.body_part import require_chest
from sgseg_dicom.applicability.lung_coverage import MOST_HIDDEN, hidden_shares, shutter_is_off_centre
from sgseg_dicom.applicability.views import require_frontal
from sgseg_dicom.attributes import coded_concepts, text_of
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.records import Radiograph, StatedOrientation
from sgseg_dicom.refusal_reasons import RefusalReason
from sgseg_dicom.row_blocks import row_blocks

ADULT_YEARS = 18
LEAST_SIDE = 64
"""Rows and columns below which an image is a thumbnail."""
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")
_DERIVATIONS = ("DerivationDescription", "ImageType")
# Companions of a radiograph, as their makers name them: dual energy, bone suppression, lines and tubes lifted.
# Slices are none either. Grid lines are suppressed, and scatter subtracted, in ordinary radiographs.
_PARTIAL = re.compile(
    r"\bBONES?\b|\bKNOCHEN|\bHUESOS?\b|RIBS? SUPPRESS|\bSOFT[ -]?TISSUES?\b|\bWEICHTEIL|\bTEJIDOS? BLANDOS?\b"
    r"|(?<!SCATTER )(?<!BACKGROUND )(?<!GRID )SUBTRA[CK]|DUAL[ -]?ENERG|DOPPELENERG|ENERG[IÍ]A DUAL"
    r"|\b(TUBES?|LINES?)\b.{0,12}(VISUALI|ENHANC)|\bTOMO(\b|S[YIÍ]NT|GRA)|\bVOLUMERAD\b"
)
# Image Comments often hold what the physician asks: "bone marrow transplant", "soft tissue swelling", "PICC line
# visualised". There only phrases of processing count.
_PARTIAL_COMMENT = re.compile(
    r"\bBONES?[ -](IMAGE|ONLY|SUPPRES|SUBTRACT|ENHANCE|SELECTIVE|ELIMINAT)"
    r"|\bSOFT[ -]?TISSUES?[ -](IMAGE|ONLY|SELECTIVE)"
    r"|\b(KNOCHEN|WEICHTEIL)-?(BILD|AUFNAHME|SUPPR|SUBTR)|\bRIBS? SUPPRES|^\W*(BONES?|SOFT[ -]?TISSUES?)\W*$"
    r"|(?<!SCATTER )(?<!BACKGROUND )(?<!GRID )SUBTRA[CK]\w+[ -](IMAGE|BILD|RADIOGRA)|\bENERG\w+[ -]SUBTRA[CK]"
    r"|\bDUAL[ -]?ENERG(?!\w*[ -](X|ABSORP|SCAN|DENSI|CT))|DOPPELENERG|ENERG[IÍ]A DUAL"
    r"|\b(TUBES?|LINES?)( (AND|&) (TUBES?|LINES?))? (VISUALI[SZ]ATION|ENHANCEMENT)"
    r"|^\W*TOMO(S[YIÍ]NT\w*)?\b|\bTOMOS[YIÍ]NT\w* (SLICE|IMAGE|RECON)|\bVOLUMERAD\b"
)

# Man, as Patient Species is written (PS3.16 CID 7454, SNOMED CT and RT; free text in the description).
_HUMAN = re.compile(r"|HOMO SAPIENS.*|HUMAN.*|337915000|L-85B00")

# Value representation AS has three digits and a unit (PS3.5 6.2); devices write "6Y", "006 Y" and "017".
_AGE = re.compile(r"(\d{1,3}) *([DWMY]?)")
_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "AcquisitionDateTime", "ContentDate")
_IN_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0, "": 1.0}


def require_applicable(radiograph: Radiograph) -> None:
    """
    Refuse what the model was not made for. What the header does not say is accepted, never refused.

    Raises:
        NotApplicable: the reason is "too-small", "cut-off", "blank", "lateral-view", "oblique-view",
            "decubitus-view", "partial-image", "orientation", "not-chest", "not-a-patient" or "child".
    """
    _require_image(radiograph)
    _require_patient(radiograph.header)
    _require_one_orientation(radiograph.display.orientation)
    require_frontal(radiograph)
    _require_whole(radiograph.header)
    _require_sides(radiograph.display.orientation)
    require_chest(radiograph.header)
    _require_adult(radiograph.header)


def _require_sides(orientation: StatedOrientation) -> None:
    """An orientation that is stated and names no side is no standard display: the wrong side is the worst error."""
    if orientation.stated and not orientation.tells_sides:
        raise NotApplicable(
            "Patient Orientation, or Image Orientation (Patient) where that is absent, is stated but does not tell "
            "right from left; correct it and send again",
            reason=RefusalReason.ORIENTATION,
        )


def _require_one_orientation(orientation: StatedOrientation) -> None:
    """Two statements of the sides of which one is wrong tell nothing: nobody knows which."""
    if orientation.contradictory:
        raise NotApplicable(
            "Patient Orientation and Image Orientation (Patient) say different things; correct the wrong one and "
            "send again",
            reason=RefusalReason.ORIENTATION,
        )


def _require_image(radiograph: Radiograph) -> None:
    rows, columns = radiograph.stored_extent.shape
    if min(rows, columns) < LEAST_SIDE:
        raise NotApplicable(
            f"the image has {rows} x {columns} pixels, fewer than {LEAST_SIDE} on a side; send the original",
            reason=RefusalReason.TOO_SMALL,
        )
    _require_shown(radiograph)
    if _is_blank(radiograph.pixels, radiograph.padding):
        raise NotApplicable(
            "every pixel has the same value: the image is blank; look at the original and send that",
            reason=RefusalReason.BLANK,
        )


def _is_blank(pixels: NDArray[np.float32], padding: NDArray[np.bool_] | None) -> bool:
    """Whether all pixels outside *padding* have one value."""
    value: np.float32 | None = None
    for rows in row_blocks(pixels.shape):
        seen = pixels[rows] if padding is None else pixels[rows][~padding[rows]]
        if seen.size and value is None:
            value = seen.flat[0]
        if seen.size and (seen.min() != value or seen.max() != value):
            return False
    return True


def _require_shown(radiograph: Radiograph) -> None:
    for side, share in hidden_shares(radiograph).items():
        if share > MOST_HIDDEN:
            raise NotApplicable(
                f"padding or the display shutter hides the place of the {side.word} lung; send the whole image",
                reason=RefusalReason.CUT_OFF,
            )
    if shutter_is_off_centre(radiograph):
        raise NotApplicable(
            "the display shutter leaves one side of the image and not the other: it may hide a lung, and no middle "
            "tells the lungs apart; correct the shutter, or send the image without it",
            reason=RefusalReason.CUT_OFF,
        )


def _require_patient(header: Dataset) -> None:
    """Refuse phantoms and test images (0028,0300), and animals: a report about them is true of nobody."""
    if text_of(header, "QualityControlImage") == "YES":
        raise NotApplicable(
            "Quality Control Image says that this is a phantom or a test image; only patients are judged",
            reason=RefusalReason.NOT_A_PATIENT,
        )
    species = [text_of(header, "PatientSpeciesDescription")]
    coded = list(coded_concepts(header, "PatientSpeciesCodeSequence"))
    if any(_HUMAN.fullmatch(text) for pair in coded for text in pair if text):
        return
    if not all(_HUMAN.fullmatch(text) for text in species + [text for pair in coded for text in pair]):
        raise NotApplicable(
            "Patient Species names an animal; only human patients are judged",
            reason=RefusalReason.NOT_A_PATIENT,
        )


def _require_whole(header: Dataset) -> None:
    """
    Refuse what was taken out of a radiograph, or lifted in it: where bone alone is left, a clear lung says nothing.

    Being derived is no reason: ordinary DX say that too.
    """
    stated = [text_of(header, keyword).replace("_", " ") for keyword in (*_DESCRIPTIONS, *_DERIVATIONS)]
    comments = text_of(header, "ImageComments").replace("_", " ")
    if any(_PARTIAL.search(text) for text in stated) or _PARTIAL_COMMENT.search(comments):
        raise NotApplicable(
            "the description, the derivation or Image Type says bone, subtraction, dual energy, enhanced lines or "
            "tomosynthesis: only the radiograph itself is judged; send that",
            reason=RefusalReason.PARTIAL_IMAGE,
        )


def _require_adult(header: Dataset) -> None:
    years = _age(header)
    if years is not None and years < ADULT_YEARS:
        raise NotApplicable(
            f"the patient is younger than {ADULT_YEARS} years; only adults are judged",
            reason=RefusalReason.CHILD,
        )


def states_adult(header: Dataset) -> bool:
    """Say whether the header states an adult age, in whichever way."""
    years = _age(header)
    return years is not None and years >= ADULT_YEARS


def _age(header: Dataset) -> float | None:
    """
    Patient's Age (0010,1010), else birth to study, in years; None where unknown.

    An age of zero is what some devices write for an unknown one: the dates decide where there are any.
    """
    stated = _AGE.fullmatch(text_of(header, "PatientAge"))
    years = int(stated[1]) * _IN_YEARS[stated[2]] if stated else None
    return years or _age_by_dates(header, otherwise=years)


def _age_by_dates(header: Dataset, *, otherwise: float | None) -> float | None:
    born, today = _date(header, "PatientBirthDate"), date.today()
    if born is None or today < born:
        return otherwise
    # Where no date of the image can be true, it is at the latest of today: who is no adult today was none then.
    dates = (_date(header, keyword) for keyword in _DATES)
    taken = next((day for day in dates if day and born <= day), today)
    return taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day))


def _date(header: Dataset, keyword: str) -> date | None:
    """Give a date, of a date and time its day; a year or month alone (against PS3.5 6.2) is its first day."""
    digits = text_of(header, keyword).replace(".", "")[:8]
    try:
        return date.fromisoformat(digits + {4: "0101", 6: "01"}.get(len(digits), ""))
    except ValueError:
        return None
