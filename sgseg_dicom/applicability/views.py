"""
Which view is it? Lateral, oblique and decubitus views are refused (`require_frontal`).

The image's own attributes are asked first, then the descriptions, the nearest to the image first.
"""

import re
from collections.abc import Iterator

from pydicom import Dataset

from sgseg_dicom.applicability.descriptions import Description, descriptions_of_series, descriptions_of_study
from sgseg_dicom.attributes import coded_concepts, free_text_of, text_of, without_accents
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.frontal_views import FRONTAL, names_frontal_view
from sgseg_dicom.records import Radiograph
from sgseg_dicom.refusal_reasons import RefusalReason

# View Position (0018,5101) of CR and DX (PS3.3 C.8.1.1, C.8.9.4), and what is written in its place.
# In Romance languages decubitus is any way of lying: "decúbito supino" is an ordinary film in bed.
_DECUBITUS = re.compile(r"\b[LR]LD\b|DECUB|SEITENLAGE|ZIJLIG|側臥|侧卧|ЛАТЕРОПОЗ|НА БОКУ")
# The English "dorsal decubitus" is no supine film: its beam is horizontal, from the side.
_SUPINE = re.compile(
    r"DECUB\w*\W*(SUPIN|DORSAL|PRON|VENTRAL)\w*"
    r"|\b(SUPIN|PRON)[OEA]\b[ (-]*DECUB\w*+(?!\W*(LAT|IZQ|DER|LEFT|RIGHT|[LRID]\b))"
    r"|\b(DORSAL|VENTRAL)E?\b[ (-]*DECUBITO\b(?!\W*(LAT|IZQ|DER|[LRID]\b))"
)
_LATERAL = re.compile(
    r"\b(LL|RL|LLAT|RLAT|(CHEST|TH?ORAX|CXR)?LAT(CHEST|TH?ORAX|CXR)?)\b"
    r"|(?<!BI)(?<!UNI)(?<!IPSI)(?<!CONTRA)(?<!COL)LATERA(L(?!ITY|LY|I[SZ](ED|ATION|ING))|AL)|LATERO"
    r"|PROFIL(?!ES?\b)|PERFIL|SEITL|SEITEN?(AUF|ANS|BILD)|\bSAGITTAL\b"
    r"|\bXTL\b|\bSWIMMER|\bTRANSTHORACI|\bTHORAX SEITE\b(?! ?\d)"
    r"|\bDWARS|\b2\. ?EBENE\b|\bBOCZN|\bBOCN|SIDOBILD|\bNGHIENG\b"
    r"|(AKCIGER|GOGUS|TORAKS) YAN\b|\bYAN (AKCIGER|GOGUS|TORAKS)|БОКОВ|БІЧН|ΠΛΑΓΙΑ|側面|側位|侧位|侧面|측면|جانبي"
)
_OBLIQUE = re.compile(r"\b([LR]LO|[LR][AP]O|OBL)\b|OBLIQ|OBLICU|SCHRAE?G|\bSKOSN|КОСАЯ|ΛΟΞΗ|斜位|사위")
_OTHER_VIEW = (
    r"(LAT|PROFIL|PERFIL|SEITL|DWARS|BOCZN|БОК|DECUB|OBL"
    r"|([LR]|LEFT|RIGHT|BILAT\w*) (LAT\w* )?(DECUB|LAT|OBL))"
)
_AND = r"(\b(WITH|W|W/|AND|Y|ET|E|UND|U\.|I|И|INCL?\.?|INCLUDING|OG|OCH)(?!\w)|[&+])"
_WITH_ANOTHER = re.compile(rf"{_AND} ?{_OTHER_VIEW}")
"""A description of several images: "with lateral"."""
_VIEWS = re.compile(
    r"\b(2|3|4|TWO|THREE) ?(V|VW|VWS|VIEWS?|VUES?|PROJ\w*|EBENEN|INCIDEN\w*|PROIEZ\w*|RICHTINGEN)\b"
)
"""Likewise, where the description is that of a step or study: "2 views"."""
# "En" is "and" in Dutch and "in" in Spanish and French; a comma, too, joins only what stands beside it.
_BESIDE = rf"\W{{0,2}}({_AND}|\bEN\b|[/,-]) ?"
_FRONTAL_AND_ANOTHER = re.compile(rf"{FRONTAL}\w*{_BESIDE}{_OTHER_VIEW}|{_OTHER_VIEW}\w*{_BESIDE}{FRONTAL}")
"""Likewise: "PA/lateral"."""
_LYING_ON_A_SIDE = re.compile(r"(HF|FF|LF|RF|AF|PF)D[LR]")
"""Patient Position (0018,5100), PS3.3 C.7.3.1.1.2."""
# View codes of CID 4010 whose meaning may be in another language; SNOMED CT, and SNOMED RT as older devices write it.
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


def require_frontal(radiograph: Radiograph) -> None:
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


def _stated_views(header: Dataset) -> Iterator[Description]:
    """Give every statement that is the image's own: positions and codes, with their modifiers."""
    yield Description("View Position", free_text_of(header, "ViewPosition").replace("_", " "))
    for keyword, modifiers, source in (
        ("ViewCodeSequence", "ViewModifierCodeSequence", "View Code Sequence"),
        (
            "PatientOrientationCodeSequence",
            "PatientOrientationModifierCodeSequence",
            "Patient Orientation Code",
        ),
    ):
        items = list(header.get(keyword) or ())
        coded = [pair for item in items for pair in coded_concepts(item, modifiers)]
        coded += [*coded_concepts(header, keyword), *coded_concepts(header, modifiers)]
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
        if any(names_frontal_view(one.text) and not _names_side(one.text) for one in rank):
            return


def _described_view(description: Description) -> RefusalReason | None:
    """Give the view that a description names, if it is not frontal and the description is not of several images."""
    return None if _speaks_of_several(description) else _other_view(description)


def _speaks_of_several(description: Description) -> bool:
    """
    Whether a description that names another view is that of a frontal image too.

    Of one series only a conjunction says so ("PA and LAT"): in "lateral, A.P. grid off" there is one image. A step
    or study may name its views side by side, or count them.
    """
    text = without_accents(description.text)
    joined = _WITH_ANOTHER.search(text)
    if joined and (
        names_frontal_view(text) or not _other_view(description._replace(text=text[: joined.start()]))
    ):
        return True
    if _FRONTAL_AND_ANOTHER.search(text):
        return True
    if not description.is_of_several:
        return False
    lies_only = _lies_on_a_side(text) and not _names_side(text)
    return _VIEWS.search(text) is not None or (names_frontal_view(text) and not lies_only)


def _names_side(text: str) -> bool:
    """Whether a description names a lateral or oblique view, other than of a patient who lies on a side."""
    upright = re.sub(r"(\bLAT\w*\.? )?DECUB\w*( LAT\w*)?", "", without_accents(text))
    return bool(_LATERAL.search(upright) or _OBLIQUE.search(upright))


def _lies_on_a_side(text: str) -> bool:
    return _DECUBITUS.search(_SUPINE.sub(" ", text)) is not None


def _other_view(description: Description) -> RefusalReason | None:
    text, code = without_accents(description.text), description.code
    if code in _DECUBITUS_CODES or _lies_on_a_side(text):
        return RefusalReason.DECUBITUS_VIEW
    if code in _OBLIQUE_CODES or _OBLIQUE.search(text):
        return RefusalReason.OBLIQUE_VIEW
    return RefusalReason.LATERAL_VIEW if code in _LATERAL_CODES or _LATERAL.search(text) else None


def _says_frontal(description: Description) -> bool:
    return names_frontal_view(description.text, description.code)


def _wrong_view(reason: RefusalReason, source: str) -> NotApplicable:
    view = reason.removesuffix("-view")
    return NotApplicable(
        f"{source} says {view}; only frontal views (PA, AP) of a patient upright or supine are judged",
        reason=reason,
    )
