"""
Which part of the body is it? Whatever is named and is not the chest is refused (`require_chest`).
"""

import re
from collections.abc import Sequence

from pydicom import Dataset

from sgseg_dicom.applicability.descriptions import (
    Description,
    descriptions_of_series,
    descriptions_of_study,
    names_other_part,
)
from sgseg_dicom.attributes import coded_concepts, free_text_of, without_accents
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.refusal_reasons import RefusalReason

_CHEST = re.compile(
    r"CHEST|TH?[OÓ]RA(X|KS)|TORACE|LUNG|PULM|POUMON|POITRINE|POLMON|PETTO|CXR|BRUSTKORB|BORSTKAS|LONGEN|BRÖSTKORG"
    r"|KEUHKO|RINTAKEH|AKCI[GĞ]ER|G[OÖ][GĞ][UÜ]S|KLATK|PŁUC|HRUDN|PL[IÍ]CE|PLU[CĆ]A|PRSNI KO|MELLKAS|T[UÜ]D[OŐ]"
    r"|PL[AĂ]M[AÂ]N|KRŪTIN|PLAUČ|KRŪŠ|PLAUŠ|RINDKERE|NGỰC|PHỔI|\bDADA\b|\bPARU\b|Θ[ΩΏ]ΡΑΚ|ΠΝΕ[ΥΎ]Μ|ГРУД|ГРЪД"
    r"|Л[ЕЁ]ГК|ЛЕГЕН|ПЛУЋ|صدر|الرئ|חזה|ריאות|छाती|ทรวงอก|ปอด|胸|肺|흉부|가슴|폐"
)
# The chest wall and cavity are chest, the spine behind it is not; "Brust" is chest or breast.
_THORACIC = re.compile(r"TH?ORACI[CQ]|TH?ORACAL|\bTORACIC")
_NOT_CHEST_WALL = re.compile(
    r"SPINE|VERTEB|WIRBEL|WERVEL|RACHI|COLON|COLUN|COLUM|DISC|AORTA|OUTLET|LUMB|LOMB|KYPHO|SCOLIO|TRANSTHORACI|DUCT"
)
_CHEST_OR_BREAST = re.compile(
    r"\b(BRUST(?!W|BEIN|DR)|BRYST(?!RYG|HV|VIRV|COL|BE[NI])|BR[OÖ]ST(?!RY|KOT|BEN)|BORST(?!W|BEEN)|RINTA\b)|\bPECHO\b|\bPEITO\b|\bPIEPT"
)
_MAMMOGRAPHY = re.compile(r"MAMM|\bMAMA|\bMG\b|BIOPS|SONO|ULTRAS|\b(CC|MLO)\b")
_BREAST_CODES = frozenset({"76752008", "73056007", "80248007", "63762007", "T-04000", "T-04020", "T-04030"})
_VAGUE = re.compile(
    r"|UNKNOWN|UNSPECIFIED|UNDEFINED|OTHERS?|NONE|N/?A|GENERAL|MISC|X-?RAY|CR|DX|(WHOLE ?)?BODY|ENTIRE BODY"
    r"|TRUNK|TORSO|TRONCO?|RUMPF|PORT(ABLE)?|MOBILE|BEDSIDE"
    r"|UNBEKANNT|SONSTIGES?|INCONNUE?|AUTRE|DESCONOCID[OA]|OTR[OA]|ALTRO|ONBEKEND|НЕИЗВЕСТНО|不明|未知|その他"
)
# Only defined terms are quoted in messages, which go to logs: a sender can write a name into any attribute.
_PARTS_OF_ANNEX_L = (
    "ABDOMEN ANKLE ARM BACK BREAST CALCANEUS CLAVICLE COCCYX CSPINE ELBOW EXTREMITY EYE FEMUR FINGER "
    "FOOT FOREARM HAND HEAD HIP HUMERUS JAW KNEE LEG LSPINE LSSPINE NECK PELVIS RIB SACRUM SCAPULA "
    "SHOULDER SKULL SPINE STERNUM THUMB TIBIA TOE TSPINE WRIST TLSPINE PATELLA MAXILLA ZYGOMA ORBIT "
    "NOSE EAR TMJ SIJOINT ACJOINT SCJOINT BUTTOCK ILIUM LARYNX PHARYNX MOUTH TONGUE BRAIN IAC "
    "ESOPHAGUS STOMACH DUODENUM JEJUNUM ILEUM COLON RECTUM ANUS LIVER GALLBLADDER BILEDUCT PANCREAS "
    "SPLEEN KIDNEY URETER BLADDER URETHRA PROSTATE UTERUS OVARY CAROTID CORONARYARTERY THYROID "
    "PAROTID PENIS SCROTUM TESTIS VAGINA VULVA "
)
"""Body parts of PS3.16 annex L, those of projection radiography."""
_OTHER_PARTS = frozenset(_PARTS_OF_ANNEX_L.split())
_LONG_PARTS = tuple(part for part in _OTHER_PARTS if len(part) >= 4)
"""Found also within a word: "LKNEE", "HANDLEFT"."""
_SNOMED = re.compile(r"\d{6,18}|[A-Z]-[0-9A-F]{5}")
# Chest, thoracic cavity and lung: SNOMED CT, and SNOMED RT as older devices write it (PS3.16 CID 4, 4031).
_CHEST_CODES = frozenset({"51185008", "816094009", "43799004", "39607008", "T-D3000", "T-D3200", "T-28000"})


def require_chest(header: Dataset) -> None:
    """Refuse only if something else is named and nothing says chest."""
    named = [
        ("", free_text_of(header, "BodyPartExamined")),
        *coded_concepts(header, "AnatomicRegionSequence"),
    ]
    named += coded_concepts(header, "PrimaryAnatomicStructureSequence")
    if any(code in _CHEST_CODES or _says_chest(text, code) for code, text in named):
        return
    telling = [(code, text) for code, text in named if not _VAGUE.fullmatch(text)]
    ranks = (*descriptions_of_series(header), descriptions_of_study(header))
    if not any(_is_other_part(text, code) for code, text in telling):
        is_described = _require_chest_described(ranks)
        if is_described or not telling:
            return
    part = named[0][1] if named[0][1] in _OTHER_PARTS else "another one"
    raise NotApplicable(
        f"the body part is {part}; only chest radiographs are judged", reason=RefusalReason.NOT_CHEST
    )


def _says_chest(text: str, code: str = "") -> bool:
    plain = without_accents(text)
    if _CHEST.search(text) or _CHEST.search(plain):
        return True
    if _THORACIC.search(plain) and not _NOT_CHEST_WALL.search(plain):
        return True
    return (
        bool(_CHEST_OR_BREAST.search(plain)) and not _MAMMOGRAPHY.search(plain) and code not in _BREAST_CODES
    )


def _is_other_part(text: str, code: str) -> bool:
    """Whether a part that is not the chest is one that is known; a word in an unknown language may mean the chest."""
    return (
        _SNOMED.fullmatch(code) is not None
        or text in _OTHER_PARTS
        or any(part in text for part in _LONG_PARTS)
        or names_other_part(text.replace("_", " "))
    )


def _require_chest_described(ranks: Sequence[Sequence[Description]]) -> bool:
    """
    Ask the descriptions, the nearest to the image first, where no attribute of its own names a known part.

    Returns:
        Whether one says chest.
    """
    for rank in ranks:
        if any(_says_chest(one.text, one.code) for one in rank):
            return True
        for one in rank:
            if names_other_part(one.text):
                raise NotApplicable(
                    f"{one.source} names another part of the body and not the chest, and Body Part Examined names "
                    "none; only chest radiographs are judged",
                    reason=RefusalReason.NOT_CHEST,
                )
    return False
