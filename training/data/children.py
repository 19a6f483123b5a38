"""
The children among the normal radiographs of the COVID-19 Radiography Database.

Its class Normal joins films of adults (RSNA, NIH) with films of children of one to five (Kermany et al., Guangzhou).
The number in the name tells them apart: up to 500 it is a child. Source: the README of this project's data. 31 of
these films were found again, pixel for pixel, in Kermany's collection.
"""

import re

LAST_CHILD = 500
"""The films `normal_1` to `normal_500` show children. The rule is frozen: what was left out once stays out."""

WHY = "a child of one to five (Kermany's films, ids up to 500): no adult normal"
"""Why such a film is left out, for manifests."""

_NUMBERED = re.compile(r"normal[-_ ](\d+)", re.IGNORECASE)
"""As the database names its films ("Normal-12"), and as this project does ("normal_12")."""


def shows_child(name: str) -> bool:
    """Say whether the normal radiograph of this *name*, without its ending, shows a child."""
    numbered = _NUMBERED.fullmatch(name)
    return numbered is not None and 1 <= int(numbered[1]) <= LAST_CHILD
