"""
Is this an adult frontal chest radiograph that the model may judge?

Header, size, and what is hidden. `image_check` asks the pixels afterwards.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from pydicom import Dataset

from sgseg_dicom.applicability.descriptions import (
    Description,
    descriptions_of_series,
    descriptions_of_study,
    names_other_part,
    without_accents,
)
from sgseg_dicom.applicability.lung_coverage import MOST_HIDDEN, hidden_shares, shutter_is_off_centre
from sgseg_dicom.attributes import text_of
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.records import Radiograph, StatedOrientation
from sgseg_dicom.refusal_reasons import RefusalReason

ADULT_YEARS = 18
LEAST_SIDE = 64
"""Rows and columns below which an image is a thumbnail."""

# View Position (0018,5101) of CR and DX (PS3.3 C.8.1.1, C.8.9.4), and what is written in its place.
# In Romance languages decubitus is any way of lying: "decúbito supino" is an ordinary film in bed.
_DECUBITUS = re.compile(
    r"\b[LR]LD\b|DECUB(?!\w*[ -]+(SUPIN|DORSAL|PRON|VENTRAL))|SEITENLAGE|ZIJLIG|側臥|侧卧|ЛАТЕРОПОЗ|НА БОКУ"
)
_LATERAL = re.compile(
    r"\b(LL|RL|LLAT|RLAT|(CHEST|THORAX)?LAT)\b|(?<!BI)(?<!UNI)(?<!IPSI)(?<!CONTRA)(?<!COL)LATERA(L(?!ITY)|AL)|LATERO|PROFIL|PERFIL|SEITL|\bSAGITTAL\b"
    r"|\bXTL\b|\bSWIMMER|\bTRANSTHORACI|\bTHORAX SEITE\b(?! ?\d)"
    r"|\bDWARS|\b2\. ?EBENE\b|\bBOCZN|\bBOCN|SIDOBILD|\bNGHIENG\b"
    r"|(AKCIGER|GOGUS|TORAKS) YAN\b|\bYAN (AKCIGER|GOGUS|TORAKS)|БОКОВ|БІЧН|ΠΛΑΓΙΑ|側面|側位|侧位|侧面|측면|جانبي"
)
_OBLIQUE = re.compile(r"\b([LR]LO|[LR][AP]O|OBL)\b|OBLIQ|OBLICU|SCHRAE?G|\bSKOSN|КОСАЯ|ΛΟΞΗ|斜位|사위")
_FRONTAL = re.compile(
    r"\b(PA|AP|P[.-]A\.?|A[.-]P\.?)(?!\w)|FRONTAL|FRENTE|FACE\b|\bF ?(Y|E|ET|[+/&]) ?P\b|POSTERO[ -]?ANTERIOR"
    r"|ANTERO[ -]?POSTERIOR|DORSO[ -]?VENTRAL|VOOR[ -]?ACHTER|ACHTER[ -]?VOOR|ПРЯМ|正面|正位|後前|后前"
)
"""Beside a lateral in a description it says that the description is that of both images."""
_SEVERAL = re.compile(
    r"(\bWITH|\bW|\bW/|\bAND|[&+]|\bY|\bET|\bE|\bUND|\bU\.|\bEN|\bI|\bИ|\bINCL?\.?|\bINCLUDING) ?"
    r"(LAT|PROFIL|PERFIL|SEITL|DWARS|BOCZN|БОК|DECUB|OBL|([LR]|LEFT|RIGHT|BILAT\w*) (LAT\w* )?DECUB)"
    r"|\b(2|3|4|TWO|THREE) ?(V|VW|VWS|VIEWS?|VUES?|PROJ\w*|EBENEN|INCIDEN\w*|PROIEZ\w*|RICHTINGEN)\b"
)
"""Likewise: "with lateral", "2 views"."""
_LYING_ON_A_SIDE = re.compile(r"(HF|FF|LF|RF|AF|PF)D[LR]")
"""Patient Position (0018,5100), PS3.3 C.7.3.1.1.2."""
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
_FRONTAL_CODES = frozenset({"272479007", "399348003", "399033003", "R-10214", "R-10206", "R-10202"})
_DECUBITUS_CODES = frozenset({"32185000", "102535000", "102536004", "F-10317", "F-10318", "F-10319"})
"""Patient orientation modifiers of CID 20."""
_LATERAL_CODES = frozenset(
    {"111069", "399067008", "399173006", "399198007", "399260004", "399352003", "30730003"}
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
    _require_one_orientation(radiograph.display.orientation)
    _require_frontal(radiograph)
    _require_whole(radiograph.header)
    _require_sides(radiograph.display.orientation)
    _require_chest(radiograph.header)
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
    orientation, header = radiograph.display.orientation, radiograph.header
    if {"A", "P"} & {orientation.along_row, orientation.along_column}:
        raise _wrong_view(RefusalReason.LATERAL_VIEW, "Patient Orientation or Image Orientation (Patient)")
    if orientation.oblique:
        raise _wrong_view(RefusalReason.OBLIQUE_VIEW, "Image Orientation (Patient)")
    if _LYING_ON_A_SIDE.fullmatch(text_of(header, "PatientPosition")):
        raise _wrong_view(RefusalReason.DECUBITUS_VIEW, "Patient Position")
    stated = list(_stated_views(header))
    for statement in stated:
        if view := _other_view(statement):
            raise _wrong_view(view, statement.source)
    for statement in _telling_descriptions(header, is_frontal=any(map(_says_frontal, stated))):
        if view := _described_view(statement):
            raise _wrong_view(view, statement.source)


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


def _stated_views(header: Dataset) -> Iterator[Description]:
    """Give every statement that is the image's own: positions and codes, with their modifiers."""
    yield Description("View Position", _free_text(header, "ViewPosition").replace("_", " "))
    for keyword, modifiers, source in (
        ("ViewCodeSequence", "ViewModifierCodeSequence", "View Code Sequence"),
        (
            "PatientOrientationCodeSequence",
            "PatientOrientationModifierCodeSequence",
            "Patient Orientation Code",
        ),
    ):
        items = list(header.get(keyword) or ())
        coded = [pair for item in items for pair in _coded(item, modifiers)]
        coded += [*_coded(header, keyword), *_coded(header, modifiers)]
        yield from (Description(source, meaning.replace("_", " "), code) for code, meaning in coded)


def _telling_descriptions(header: Dataset, *, is_frontal: bool) -> Iterator[Description]:
    """
    Give the descriptions that are believed, of the nearest rank in which one says which view it is.

    Where the image's own attributes say *is_frontal*, only a patient who lies on a side contradicts them not.
    """
    ranks = descriptions_of_series(header)
    if is_frontal:
        nearby = (one for rank in ranks for one in rank)
        yield from (one for one in nearby if _described_view(one) is RefusalReason.DECUBITUS_VIEW)
        return
    for rank in (*ranks, descriptions_of_study(header)):
        if any(map(_described_view, rank)):
            yield from rank
            return
        if any(_FRONTAL.search(one.text) and not _names_side(one.text) for one in rank):
            return


def _described_view(description: Description) -> RefusalReason | None:
    """Give the view that a description names, if it is another than frontal, and no frontal one beside it."""
    text = without_accents(description.text)
    lying = _DECUBITUS.search(text) is not None
    if _SEVERAL.search(text) or (_FRONTAL.search(text) and not (lying and not _names_side(text))):
        return None
    return _other_view(description)


def _names_side(text: str) -> bool:
    """Whether a description names a lateral or oblique view, other than of a patient who lies on a side."""
    upright = re.sub(r"(\bLAT\w*\.? )?DECUB\w*( LAT\w*)?", "", without_accents(text))
    return bool(_LATERAL.search(upright) or _OBLIQUE.search(upright))


def _other_view(description: Description) -> RefusalReason | None:
    text, code = without_accents(description.text), description.code
    if code in _DECUBITUS_CODES or _DECUBITUS.search(text):
        return RefusalReason.DECUBITUS_VIEW
    if code in _OBLIQUE_CODES or _OBLIQUE.search(text):
        return RefusalReason.OBLIQUE_VIEW
    return RefusalReason.LATERAL_VIEW if code in _LATERAL_CODES or _LATERAL.search(text) else None


def _says_frontal(description: Description) -> bool:
    return description.code in _FRONTAL_CODES or bool(_FRONTAL.search(without_accents(description.text)))


def _wrong_view(reason: RefusalReason, source: str) -> NotApplicable:
    view = reason.removesuffix("-view")
    return NotApplicable(
        f"{source} says {view}; only frontal views (PA, AP) of a patient upright or supine are judged",
        reason=reason,
    )


def _require_chest(header: Dataset) -> None:
    """Refuse only if something else is named and nothing says chest."""
    named = [("", _free_text(header, "BodyPartExamined")), *_coded(header, "AnatomicRegionSequence")]
    named += _coded(header, "PrimaryAnatomicStructureSequence")
    if any(code in _CHEST_CODES or _CHEST.search(text) for code, text in named):
        return
    if all(_VAGUE.fullmatch(text) for _, text in named):
        _require_chest_described((*descriptions_of_series(header), descriptions_of_study(header)))
        return
    part = named[0][1] if named[0][1] in _OTHER_PARTS else "another one"
    raise NotApplicable(
        f"the body part is {part}; only chest radiographs are judged", reason=RefusalReason.NOT_CHEST
    )


def _require_chest_described(ranks: Sequence[Sequence[Description]]) -> None:
    """Ask the descriptions, the nearest to the image first, where no attribute of its own names the part."""
    for rank in ranks:
        if any(_CHEST.search(one.text) or _CHEST.search(without_accents(one.text)) for one in rank):
            return
        for one in rank:
            if names_other_part(one.text):
                raise NotApplicable(
                    f"{one.source} names another part of the body and not the chest, and Body Part Examined names "
                    "none; only chest radiographs are judged",
                    reason=RefusalReason.NOT_CHEST,
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
