"""The words and codes that name a frontal view of the chest, postero-anterior or antero-posterior."""

import re

from sgseg_dicom.attributes import without_accents

FRONTAL = (
    r"(\b(PA|AP|P[.-]A\.?|A[.-]P\.?)(?!\w)|FRONTAL|FRENTE|\bFACE\b(?! ?(TO|UP|DOWN|MASK|SHIELD))"
    r"|\bF ?(Y|E|ET|[+/&]) ?P\b|POSTERO[ -]?ANTERIOR|ANTERO[ -]?POSTERIOR|DORSO[ -]?VENTRAL|VOOR[ -]?ACHTER"
    r"|ACHTER[ -]?VOOR|ПРЯМ|正面|正位|後前|后前)"
)
"""Pattern of a frontal view, in upper case without accents. "Face to wall" is English, and no view."""

_FRONTAL = re.compile(FRONTAL)
# View codes of CID 4010 whose meaning may be in another language; SNOMED CT, and SNOMED RT as older devices write it.
_CODES = frozenset({"272479007", "399348003", "399033003", "R-10214", "R-10206", "R-10202"})


def names_frontal_view(text: str, code: str = "") -> bool:
    """Whether *text*, in upper case, or a view code names a frontal view; it may name another one beside it."""
    return code in _CODES or _FRONTAL.search(without_accents(text).replace("_", " ")) is not None
