"""Tables that stand between marks in a document, so that a command can write them anew."""

import re
from collections.abc import Mapping
from pathlib import Path

from sgseg_dicom.errors import ConfigError

_PLACE = re.compile(
    r"(?P<begin><!-- table: (?P<name>[\w ,-]+?) -->\n)(?:(?!<!-- table: ).)*?(?P<end><!-- end of table -->)",
    re.DOTALL,
)
"""A place whose end is missing is none: what follows it must not be lost."""


def fill_places(document: Path, tables: Mapping[str, str]) -> list[str]:
    """
    Write *tables* to the places of their names in *document*; give the names that it has a place for.

    A place begins with the line `<!-- table: NAME -->` and ends with `<!-- end of table -->`. Places of other names
    stay as they are.

    Raises:
        ConfigError: the document has no place for any of the tables.
    """
    text = document.read_text("utf-8")
    names = [place["name"] for place in _PLACE.finditer(text) if place["name"] in tables]
    if not names:
        raise ConfigError(f"{document} has no line <!-- table: NAME --> for one of {sorted(tables)}; add one")
    document.write_text(_PLACE.sub(lambda place: _filled(place, tables), text), "utf-8")
    return names


def _filled(place: re.Match[str], tables: Mapping[str, str]) -> str:
    table = tables.get(place["name"])
    return place[0] if table is None else f"{place['begin']}\n{table}\n\n{place['end']}"
