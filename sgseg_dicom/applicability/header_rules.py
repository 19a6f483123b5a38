"""
Is this an adult frontal chest radiograph that the model may judge?

Header, size, and what is hidden. `image_check` asks the pixels afterwards.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date

from pydicom import Dataset

from sgseg_dicom.applicability.lung_coverage import MOST_HIDDEN, hidden_shares, shutter_is_off_centre
from sgseg_dicom.attributes import text_of
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.records import Radiograph, StatedOrientation
from sgseg_dicom.refusal_reasons import RefusalReason

ADULT_YEARS = 18
LEAST_SIDE = 64
"""Rows and columns below which an image is a thumbnail."""

# View Position (0018,5101) of CR and DX (PS3.3 C.8.1.1, C.8.9.4), and what is written in its place.
_DECUBITUS = re.compile(r"\b[LR]LD\b|DECUB|SEITENLAGE|側臥|侧卧|ЛАТЕРОПОЗ")
_LATERAL = re.compile(
    r"\b(LL|RL|LLAT|RLAT|(CHEST|THORAX)?LAT)\b|(?<!BI)LATERA(L(?!ITY)|AL)|LATERO|PROFIL|PERFIL|SEITL|\bSAGITTAL\b"
    r"|\bXTL\b|\bSWIMMER|\bTRANSTHORACI|\bTHORAX SEITE\b(?! ?\d)"
    r"|\bDWARS|\b2\. ?EBENE\b|\bBOCZN|\bBOCN|SIDOBILD|\bNGHIENG\b"
    r"|(AKCIGER|GOGUS|TORAKS) YAN\b|\bYAN (AKCIGER|GOGUS|TORAKS)|БОКОВ|БІЧН|ΠΛΑΓΙΑ|側面|側位|侧位|侧面|측면|جانبي"
)
_OBLIQUE = re.compile(r"\b([LR]LO|[LR][AP]O|OBL)\b|OBLIQ|OBLICU|SCHRAE?G|\bSKOSN|КОСАЯ|ΛΟΞΗ|斜位|사위")
_FRONTAL = re.compile(r"\b(PA|AP|P\.A\.?|A\.P\.?)(?!\w)|FRONTAL|FACE\b|ПРЯМ|正面|正位|後前|后前")
"""Beside a lateral in a description it says that the description is that of both images."""
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")
_DERIVATIONS = ("DerivationDescription", "ImageType", "ImageComments")
# Companions of a radiograph, as their makers name them: dual energy, bone suppression, lines and tubes lifted.
# Slices are none either. Grid lines are suppressed, and scatter subtracted, in ordinary radiographs.
_PARTIAL = re.compile(
    r"\bBONES?\b|\bKNOCHEN|\bHUESOS?\b|RIBS? SUPPRESS|\bSOFT[ -]?TISSUES?\b|\bWEICHTEIL|\bTEJIDOS? BLANDOS?\b"
    r"|(?<!SCATTER )(?<!BACKGROUND )(?<!GRID )SUBTRA[CK]|DUAL[ -]?ENERG|DOPPELENERG|ENERG[IÍ]A DUAL"
    r"|\b(TUBES?|LINES?)\b.{0,12}(VISUALI|ENHANC)|\bTOMO(\b|S[YIÍ]NT|GRA)|\bVOLUMERAD\b"
)
# View codes of CID 4010 whose meaning may be in another language; SNOMED CT, and SNOMED RT as older devices write it.
_LATERAL_CODES = frozenset(
    {"399067008", "399173006", "399198007", "399260004", "399352003", "30730003"}
    | {"R-102CD", "R-10236", "R-10232", "R-10224", "R-10228", "G-A145"}
)
_OBLIQUE_CODES = frozenset(
    {"399182000", "399184004", "399236003", "399135007", "399356000", "399006002", "399038007", "399312000"}
    | {"399059000", "260426006", "260427002", "399160007", "399004004"}
    | {"R-102C1", "R-10238", "R-10234", "R-10220", "R-40985", "R-10212", "R-10210", "R-10208"}
    | {"R-10216", "R-40782", "R-40783", "R-10204", "R-10246"}
)

_CHEST = re.compile(
    r"CHEST|TH?[OÓ]RAX|TORACE|LUNG|PULM|POUMON|POITRINE|POLMON|PETTO|CXR|BRUSTKORB|BORSTKAS|LONGEN|BRÖSTKORG"
    r"|KEUHKO|RINTAKEH|AKCI[GĞ]ER|G[OÖ][GĞ][UÜ]S|KLATK|PŁUC|HRUDN|PL[IÍ]CE|PLU[CĆ]A|PRSNI KO|MELLKAS|T[UÜ]D[OŐ]"
    r"|PL[AĂ]M[AÂ]N|KRŪTIN|PLAUČ|KRŪŠ|PLAUŠ|RINDKERE|NGỰC|PHỔI|\bDADA\b|\bPARU\b|Θ[ΩΏ]ΡΑΚ|ΠΝΕ[ΥΎ]Μ|ГРУД|ГРЪД"
    r"|Л[ЕЁ]ГК|ЛЕГЕН|ПЛУЋ|صدر|الرئ|חזה|ריאות|छाती|ทรวงอก|ปอด|胸|肺|흉부|가슴|폐"
)
_VAGUE = re.compile(
    r"|UNKNOWN|UNSPECIFIED|UNDEFINED|OTHERS?|NONE|N/?A|GENERAL|MISC|X-?RAY|CR|DX|TRUNK|(WHOLE ?)?BODY|ENTIRE BODY"
    r"|UNBEKANNT|SONSTIGES?|INCONNUE?|AUTRE|DESCONOCID[OA]|OTR[OA]|ALTRO|ONBEKEND|НЕИЗВЕСТНО|不明|未知|その他"
)
# Only defined terms are quoted in messages, which go to logs: a sender can write a name into any attribute.
_OTHER_PARTS = frozenset(
    {
        "ABDOMEN",
        "ANKLE",
        "ARM",
        "BACK",
        "BREAST",
        "CALCANEUS",
        "CLAVICLE",
        "COCCYX",
        "CSPINE",
        "ELBOW",
        "EXTREMITY",
    }
    | {
        "EYE",
        "FEMUR",
        "FINGER",
        "FOOT",
        "FOREARM",
        "HAND",
        "HEAD",
        "HIP",
        "HUMERUS",
        "JAW",
        "KNEE",
        "LEG",
        "LSPINE",
    }
    | {
        "LSSPINE",
        "NECK",
        "PELVIS",
        "RIB",
        "SACRUM",
        "SCAPULA",
        "SHOULDER",
        "SKULL",
        "SPINE",
        "STERNUM",
        "THUMB",
    }
    | {"TIBIA", "TOE", "TSPINE", "WRIST"}
)  # PS3.16 annex L, those of projection radiography
# Chest, thoracic cavity and lung: SNOMED CT, and SNOMED RT as older devices write it (PS3.16 CID 4, 4031).
_CHEST_CODES = frozenset({"51185008", "816094009", "43799004", "39607008", "T-D3000", "T-D3200", "T-28000"})

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
    _require_frontal(radiograph)
    _require_whole(radiograph.header)
    _require_sides(radiograph.display.orientation)
    _require_chest(radiograph.header)
    _require_adult(radiograph.header)


def _require_sides(orientation: StatedOrientation) -> None:
    """An orientation that is stated and names no side is no standard display: the wrong side is the worst error."""
    if orientation.stated and not orientation.tells_sides:
        raise NotApplicable(
            "Patient Orientation is stated but does not tell right from left; correct it and send again",
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
    pixels = radiograph.pixels if radiograph.padding is None else radiograph.pixels[~radiograph.padding]
    if pixels.min() == pixels.max():
        raise NotApplicable(
            "every pixel has the same value: the image is blank; look at the original and send that",
            reason=RefusalReason.BLANK,
        )


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
    coded = list(_coded(header, "PatientSpeciesCodeSequence"))
    if any(_HUMAN.fullmatch(text) for pair in coded for text in pair if text):
        return
    if not all(_HUMAN.fullmatch(text) for text in species + [text for pair in coded for text in pair]):
        raise NotApplicable(
            "Patient Species names an animal; only human patients are judged",
            reason=RefusalReason.NOT_A_PATIENT,
        )


def _require_frontal(radiograph: Radiograph) -> None:
    orientation = radiograph.display.orientation
    if {"A", "P"} & {orientation.along_row, orientation.along_column}:
        raise _wrong_view(RefusalReason.LATERAL_VIEW, "Patient Orientation")
    for source, code, text in _stated_views(radiograph.header):
        if _DECUBITUS.search(text):
            raise _wrong_view(RefusalReason.DECUBITUS_VIEW, source)
        if code in _OBLIQUE_CODES or _OBLIQUE.search(_without_accents(text)):
            raise _wrong_view(RefusalReason.OBLIQUE_VIEW, source)
        if code in _LATERAL_CODES or _LATERAL.search(_without_accents(text)):
            raise _wrong_view(RefusalReason.LATERAL_VIEW, source)


def _require_whole(header: Dataset) -> None:
    """
    Refuse what was taken out of a radiograph, or lifted in it: where bone alone is left, a clear lung says nothing.

    Being derived is no reason: ordinary DX say that too.
    """
    stated = [text_of(header, keyword).replace("_", " ") for keyword in (*_DESCRIPTIONS, *_DERIVATIONS)]
    if any(_PARTIAL.search(text) for text in stated):
        raise NotApplicable(
            "the description, the derivation or Image Type says bone, subtraction, dual energy, enhanced lines or "
            "tomosynthesis: only the radiograph itself is judged; send that",
            reason=RefusalReason.PARTIAL_IMAGE,
        )


def _stated_views(header: Dataset) -> Iterator[tuple[str, str, str]]:
    """Give source, code and text of every statement about the view; descriptions only where nothing else says it."""
    position = _free_text(header, "ViewPosition").replace("_", " ")
    codes = list(_coded(header, "ViewCodeSequence"))
    yield "View Position", "", position
    yield from (("View Code Sequence", code, meaning) for code, meaning in codes)
    if not position and not codes:
        described = [text_of(header, keyword).replace("_", " ") for keyword in _DESCRIPTIONS]
        yield from (("the series' description", "", text) for text in described if not _FRONTAL.search(text))


def _without_accents(text: str) -> str:
    """ "LATÉRAL" is "LATERAL"; Hangul, which comes apart as accents do, is put together again."""
    apart = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(sign for sign in apart if not unicodedata.combining(sign)))


def _wrong_view(reason: RefusalReason, source: str) -> NotApplicable:
    view = reason.removesuffix("-view")
    return NotApplicable(
        f"{source} says {view}; only frontal views (PA, AP) of a patient upright or supine are judged",
        reason=reason,
    )


def _require_chest(header: Dataset) -> None:
    """Refuse only if something else is named and nothing says chest."""
    named = [("", _free_text(header, "BodyPartExamined")), *_coded(header, "AnatomicRegionSequence")]
    if any(code in _CHEST_CODES or _CHEST.search(text) for code, text in named):
        return
    if all(_VAGUE.fullmatch(text) for _, text in named):
        return
    part = named[0][1] if named[0][1] in _OTHER_PARTS else "another one"
    raise NotApplicable(
        f"the body part is {part}; only chest radiographs are judged", reason=RefusalReason.NOT_CHEST
    )


def _require_adult(header: Dataset) -> None:
    years = _age(header)
    if years is not None and years < ADULT_YEARS:
        raise NotApplicable(
            f"the patient is younger than {ADULT_YEARS} years; only adults are judged",
            reason=RefusalReason.CHILD,
        )


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


def _free_text(header: Dataset, keyword: str) -> str:
    """
    Give a Code String as `text_of` does, also where it breaks its rule (PS3.5 6.2: ASCII) and holds UTF-8.

    pydicom decodes Code Strings byte by byte, whatever the character set.
    """
    value = header.get(keyword)
    try:
        return str(value).encode("latin-1").decode("utf-8").strip().upper() if value else ""
    except UnicodeError:
        return text_of(header, keyword)


def _coded(header: Dataset, keyword: str) -> Iterator[tuple[str, str]]:
    for item in header.get(keyword) or ():
        yield text_of(item, "CodeValue"), text_of(item, "CodeMeaning")
