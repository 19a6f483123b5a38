"""
What describes an image in words: its processing, its series, the step that made it, its study. The nearest decides.

A text of the study is that of all its images: "CHEST (PA AND LAT)" is said of both. What a device writes of the image
outweighs its series' description, and that outweighs what was performed and what was ordered. Where View Position or
View Code Sequence is absent (15,769 of 370,000 images of one hospital), these texts are all that tells.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pydicom import Dataset

from sgseg_dicom.attributes import text_of, without_accents


class Description(NamedTuple):
    """
    One text about an image.

    Attributes:
        source: what a message calls it.
        text: in upper case, blanks for underscores.
        code: where the text is the meaning of a code; else "".
        is_of_several: whether it is said of a step or study, which may hold several images.
    """

    source: str
    text: str
    code: str = ""
    is_of_several: bool = False


_PROCESSING = ("AcquisitionDeviceProcessingDescription",)
_SERIES = ("SeriesDescription", "ProtocolName")
_STEP = ("PerformedProcedureStepDescription", "PerformedProtocolCodeSequence")
_SCHEDULED_STEP = ("ScheduledProcedureStepDescription", "ScheduledProtocolCodeSequence")
_STUDY = ("StudyDescription", "ProcedureCodeSequence")
_REQUESTED = ("RequestedProcedureDescription", "RequestedProcedureCodeSequence")
_SOURCES = {
    **dict.fromkeys(_PROCESSING, "the processing's description"),
    **dict.fromkeys(_SERIES, "the series' description"),
    **dict.fromkeys((*_STEP, *_SCHEDULED_STEP), "the procedure step's description"),
    **dict.fromkeys((*_STUDY, *_REQUESTED), "the study's description"),
}


def descriptions_of_series(header: Dataset) -> list[list[Description]]:
    """Give what describes the image, its series and the step that made it; the nearest to the image first."""
    requests = list(header.get("RequestAttributesSequence") or ())
    step = [*_texts(header, _STEP), *(text for item in requests for text in _texts(item, _SCHEDULED_STEP))]
    return [_texts(header, _PROCESSING), _texts(header, _SERIES), step]


def descriptions_of_study(header: Dataset) -> list[Description]:
    """Give what describes the study, or was ordered."""
    requests = list(header.get("RequestAttributesSequence") or ())
    return [
        *_texts(header, (*_STUDY, *_REQUESTED)),
        *(text for item in requests for text in _texts(item, _REQUESTED)),
    ]


def names_other_part(text: str) -> bool:
    """
    Whether a description names a part of the body that is not the chest; it may name the chest beside it.

    How the patient holds the arms, where the head of the bed is, and a C-arm are no parts.
    """
    return bool(_PARTS.search(_POSTURE.sub(" ", without_accents(text))))


def _texts(header: Dataset, keywords: tuple[str, ...]) -> list[Description]:
    return [text for keyword in keywords for text in _of(header, keyword)]


def _of(header: Dataset, keyword: str) -> Iterator[Description]:
    source, is_of_several = _SOURCES[keyword], keyword not in (*_PROCESSING, *_SERIES)
    if keyword.endswith("CodeSequence"):
        for item in header.get(keyword) or ():
            meaning = text_of(item, "CodeMeaning").replace("_", " ")
            yield Description(source, meaning, text_of(item, "CodeValue"), is_of_several)
    elif text := text_of(header, keyword).replace("_", " "):
        yield Description(source, text, is_of_several=is_of_several)


# Words of hospitals' procedure lists, without accents. Left out is what means something else in another language, or
# in a description of the chest: "main" (a hand), "pie", "face", "back", "PE", "cote" (a rib), "dorsal".
_ENGLISH = (
    r"ABD|ABDOMEN|ABDOMINAL|KUB|BABYGRAM|PELVI[SC]|HIPS?|KNEES?|ANKLES?|FOOT|FEET|TOES?|HEELS?|CALCANE\w+|TIBIA|FIBULA"
    r"|TIB[ -/]?FIB|FEMUR|FEMORA|LEGS?|THIGHS?|HANDS?|WRISTS?|FINGERS?|THUMBS?|ELBOWS?|FOREARMS?|HUMER\w+|ARMS?"
    r"|SHOULDERS?|CLAVIC\w+|SCAPULA\w*|SKULL|HEAD|SINUS(ES)?|MANDIBLE|JAW|NASAL BONES?|ORBITS?|FACIAL|TEETH|TOOTH"
    r"|DENTAL|PANOREX|NECK|SPINE|[CTL]S?-?SPINE|CERVICAL|LUMBAR|LUMBOSACRAL|SACR(UM|AL)|COCCYX|STERNUM|RIBS?|BREASTS?"
    r"|MAMMO\w*|EXTREMIT\w+|SCOLIOSIS|BONE AGE|LONG BONES?"
)
_GERMAN = (
    r"BECKEN\w*|HUE?FTE?\w*|KNIE\w*|SPRUNGGELENK\w*|FU(SS|ß)\w*|ZEHE?N?|FERSE|UNTERSCHENKEL\w*|OBERSCHENKEL\w*"
    r"|HANDGELENK\w*|DAUMEN|ELL(EN)?BOGEN\w*|UNTERARM|OBERARM\w*|SCHULTER\w*|SCHLUE?SSELBEIN|SCHAE?DEL\w*|\w*KIEFER\w*"
    r"|ZAE?HNE?|HALS\w*|\w*WIRBEL\w*|[HBL]WS|RIPPEN?\w*|KREUZBEIN|STEISSBEIN|BAUCH\w*"
)
_ROMANCE = (
    r"CADERAS?|RODILLAS?|TOBILLOS?|DEDOS?|CALCANEO|PERONE|PIERNAS?|MANOS?|MUNECAS?|PULGAR|CODOS?|ANTEBRAZOS?|HUMERO"
    r"|BRAZOS?|HOMBROS?|ESCAPULA|CRANEO|SENOS PARANASALES|MANDIBULA|CUELLO|COLUMNA|SACRO|COXIS|ESTERNON|COSTILLAS?"
    r"|PARRILLA COSTAL|BASSIN|HANCHES?|GENOUX?|CHEVILLES?|PIEDS?|ORTEILS?|JAMBES?|CUISSES?|POIGNETS?|DOIGTS?|POUCES?"
    r"|COUDES?|AVANT[ -]BRAS|BRAS|EPAULES?|OMOPLATES?|CRANE|MACHOIRE|DENTS|COU|RACHIS|LOMBAIRE|GRIL COSTAL|ASP"
    r"|ADDOME|BACINO|ANC(A|HE)|GINOCCHI[OA]?|CAVIGLI[AE]|PIED[EI]|FEMORE|GAMB[AE]|POLS[OI]|DITA|POLLICE|GOMIT[OI]"
    r"|AVAMBRACCI[OA]?|OMERO|BRACCI[OA]|SPALL[AE]|CLAVICOL[AE]|CRANIO|COLLO|RACHIDE|COLONN[AE]|COSTE|STERNO|ABDOME"
    r"|BACIA|QUADRIL|JOELHOS?|TORNOZELOS?|MAOS?|PUNHOS?|COTOVELOS?|ANTEBRACOS?|UMERO|BRACOS?|OMBROS?|PESCOCO|COLUNA"
    r"|COSTELAS?|ESTERNO"
)
_OTHER_LATIN = (
    r"BUIK\w*|BEKKEN|HEUP(EN)?|VOET(EN)?|TE(EN|NEN)|HIEL|ONDERBEEN|BOVENBEEN|POLS(EN)?|VINGERS?|DUIM|ELLEBO\w+"
    r"|ONDERARM|BOVENARM|SCHOUDERS?|SLEUTELBEEN|SCHEDEL|KAAK|WERVEL\w*|[CTL]WK|RIBBEN|BRZUCH\w*|MIEDNIC\w*|BIODR\w*"
    r"|KOLAN\w*|DLON\w*|LOKIEC\w*|BARK\w*|CZASZK\w*|KREGOSLUP\w*|ZEBER"
)
_OTHER_SCRIPTS = (
    r"ЖИВОТ|БРЮШ|\bТАЗ(А|ОБЕДР)?|КОЛЕН|ГОЛЕН|ГОЛЕНОСТОП|\bСТОП|\bКИСТ|ЛУЧЕЗАП|\bПАЛ[ЕЬ]Ц|ЛОКТ|\bПЛЕЧ|КЛЮЧИЦ|ЛОПАТК"
    r"|ЧЕРЕП|ПОЗВОНОЧ|ПОЯСНИ|ШЕЙН|\bРЕБ[ЕР]|БЕДР|腹部|骨盆|骨盤|膝|足|肘|肩|手関節|手部|手指|頭部|头颅|颅骨|頭蓋|脊椎|腰椎"
    r"|頸椎|颈椎|股骨|大腿|下腿|前腕|복부|골반|무릎|어깨|두개"
)
_PARTS = re.compile(rf"\b({_ENGLISH}|{_GERMAN}|{_ROMANCE}|{_OTHER_LATIN})\b|{_OTHER_SCRIPTS}")

# What is said of posture and devices, in words that elsewhere name a part. "Knee bent" and "foot flat" are no such
# phrases: views of the knee and the foot are called so.
_UP = r"(UP|DOWN|RAISED|ELEVATED|LIFTED|ABOVE|OVER(HEAD)?|BEHIND|FORWARDS?|CROSSED|OUT|IN|AT|BY|BESIDE|ALONGSIDE)"
_PLACE = r"( (THE|HIS|HER))?( (HIPS?|HEAD|NECK|BACK|WAIST|SIDES?))?"
_ENGLISH_POSTURE = (
    rf"ARMS? (ARE )?{_UP}\b{_PLACE}|HANDS (ARE )?(ON|{_UP})\b{_PLACE}|HAND (UP|DOWN|RAISED|BEHIND|OVERHEAD)\b{_PLACE}"
    rf"|(HAND|ARM)S? ON( THE)? (HIPS?|HEAD|WAIST|SIDES?)|(LEFT|RIGHT|LT|RT|L|R)[ -]HAND[ -]SIDE(?! VIEW)"
    r"|HAND[ -]HELD|(HEAD|FOOT|END) (END )?(OF|AT)( THE)? (BED|TABLE|STRETCHER|TROLLEY|CRIB)"
    r"|HEAD (END|FIRST|UP|DOWN|RAISED|ELEVATED|TURNED|TILTED|ROTATED|SIDE)|FEET (FIRST|DOWN|UP)|FOOT END"
    r"|LEGS (UP|DOWN|DANGLING|RAISED|ELEVATED|CROSSED)|SHOULDERS (ROLLED|FORWARDS?|DOWN|BACK|RELAXED)"
    r"|(HEAD|ARM|LEG|FOOT|NECK)[ -]?(REST|BOARD)S?|[CO][ -]?ARM"
)
_OTHER_POSTURE = (
    r"(IN|SUI|AI) PIEDI|(AU|SUR) (LE )?PIEDS?( DU LIT)?|SUR (SES|LES|DEUX) PIEDS"
    r"|BRAS (LEVE|EN L.AIR|EN HAUT|EN AVANT|LE LONG|CROISE|AU.DESSUS)\w*"
    r"|MAINS? (SUR|DERRIERE)( LES?| LA)? (HANCHE|TETE|COU)\w*"
    r"|BRACCIA (ALZATE|SOLLEVATE|IN ALTO|IN AVANTI|ABDOTTE|LUNGO)|MANI SU(I|LLE) (FIANCHI|ANCHE)"
    r"|BRA[ZC]OS (ARRIBA|ABAJO|LEVANTADOS|ELEVADOS|EN ALTO|CRUZADOS|PARA (CIMA|BAIXO)|ERGUIDOS)"
    r"|(MANOS|MAOS) (EN|NA|NAS|SOBRE)( LAS?)? (CINTURA|CADERAS?|ANCAS?|CABEZA|NUCA|QUADRIL)"
    r"|(BRAZO|BRACO|BRAS|BRACCIO) (EN|EM|A) C"
)
_POSTURE = re.compile(rf"\b({_ENGLISH_POSTURE}|{_OTHER_POSTURE})\b")
