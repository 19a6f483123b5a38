"""
Which films may be learned from, by their licences.

| the licence says | measured on | learned from | weights |
|---|---|---|---|
| BY, or free for everyone | yes | yes | free, with credit |
| NC (not commercial) | yes | yes | for research |
| nothing | yes | yes | for research |
| ND (no derivatives) | yes | never | - |

Weights that learned from a film may count as derived from it, so ND is kept out. Of films whose licence is not
stated, the README of this project's data says: train and measure with them, never commit an image. That is done, and
such weights are for research, as those that learned from NC films are.
"""

import re

from training.data.film import Film

_NO_DERIVATIVES = re.compile(r"\bND\b")
_NOT_COMMERCIAL = re.compile(r"\bNC\b")

LICENCE_OF_SOURCE = {
    "jsrt": "free for research, with credit",
    "nih": "free for research, with credit",
    "kermany": "CC BY 4.0",
    "viral": "CC BY 4.0",
}
"""Licences that hold for a whole source, as its owners state them (README of this project's data)."""

_RESEARCH = "for research"


def may_be_learned_from(film: Film) -> bool:
    """Say whether weights may learn from *film*: unless its licence forbids derivatives (ND)."""
    return _NO_DERIVATIVES.search(film.licence.upper()) is None


def is_for_research_only(film: Film) -> bool:
    """Say whether weights that learned from *film* are for research only: NC, for research, or nothing stated."""
    licence = film.licence
    return not licence or _RESEARCH in licence or _NOT_COMMERCIAL.search(licence.upper()) is not None
