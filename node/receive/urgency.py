"""How far an image moves in the queue: by the priority of its C-STORE request, or by that of its sender."""

from collections.abc import Mapping
from typing import Literal

_LOW, _MEDIUM, _HIGH = 2, 0, 1
"""Priority (0000,0700) of a request (PS3.7 9.3.1.1)."""

_DIRECTIONS: Mapping[int | str, int] = {_HIGH: -1, "high": -1, _MEDIUM: 0, "medium": 0, _LOW: 1, "low": 1}


def places_of(
    asked: int | None, *, sender: Literal["as-sent", "high", "medium", "low"] = "as-sent", most: int
) -> int:
    """
    Give how many places an image moves: negative is forward.

    An urgent image passes *most* images at most. What came earlier than these is not held up, however many urgent
    ones come.

    Args:
        asked: Priority (0000,0700) of the request; anything else than PS3.7 names counts as medium.
        sender: `[[sender]] priority` of the entry by which the sender came in.
        most: `[queue] priority_places`.
    """
    priority = asked if sender == "as-sent" else sender
    return most * _DIRECTIONS.get(priority, 0) if priority is not None else 0
