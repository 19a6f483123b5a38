"""A TOML file that a site writes: its tables, and every problem in it as one line."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

Place = tuple[int | str, ...]
"""Where something stands in a file: () the file, ("receive",) a table, ("receive", "port") a key."""

Fields = Callable[[Place], Mapping[str, FieldInfo]]
"""Gives the known keys of a table."""


class Section(BaseModel):
    """One table: frozen, strictly read, and with no other keys than its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def problems(
    errors: list[ErrorDetails],
    *,
    fields: Fields,
    rule: Callable[[Place], str],
    hint: Callable[[Place, list[str]], str] = lambda place, keys: "",
) -> Iterator[str]:
    """
    Describe each problem of a file in one line: the key, its value, and what would be right.

    Unknown keys of one table share a line. An error of the type "conflict" carries its own text.

    Args:
        errors: of pydantic's ValidationError.
        fields: the known keys of a table.
        rule: ends the sentence "<key> is <value>; it must ...".
        hint: replaces the list of known keys where it is not "".
    """
    unknown: dict[Place, list[str]] = defaultdict(list)
    for error in errors:
        place = error["loc"]
        while len(place) > 2 and isinstance(place[-1], int):  # an item of a list: report the key of the list
            place = place[:-1]
        table, key = place[:-1], str(place[-1])
        if error["type"] == "extra_forbidden":
            unknown[table].append(key)
        elif error["type"] == "conflict":
            yield f"{_heading(place, fields)} has {error['msg']}"
        elif error["type"] == "missing":
            yield f"{_heading(table, fields)} has no {key}; it must {rule(place)}"
        elif table or fields(())[key].annotation is str:
            yield f"{_heading(table, fields)} {key} is {_shown(error['input'])}; it must {rule(place)}"
        else:
            yield f"{_heading(place, fields)} must {rule(place)}"
    for table, keys in unknown.items():
        kind = "keys" if table else "sections"
        known = f"unknown {kind} {keys}; known: {sorted(fields(table))}"
        yield f"{_heading(table, fields)} has {hint(table, keys) or known}"


def _heading(place: Place, fields: Fields) -> str:
    """Name a place as the file does: "[receive]", "[[destination]] number 2"."""
    match place:
        case ():
            return "the file"
        case (name, int(index), *_):
            return f"[[{name}]] number {index + 1}"
        case (name,) if get_origin(fields(())[str(name)].annotation) is tuple:
            return f"[[{name}]]"
        case _:
            return f"[{place[0]}]"


def _shown(value: object) -> str:
    """Quote a wrong value, but never the password of an address."""
    return re.sub(r"[^'\"]*@", "...@", repr(value))
