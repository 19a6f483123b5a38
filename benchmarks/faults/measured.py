"""What an experiment gives."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """
    The result of an experiment.

    Attributes:
        holds: whether what was promised holds.
        said: the result in a sentence.
        figures: all that was counted and measured; sizes in bytes, times in seconds.
    """

    holds: bool
    said: str
    figures: Mapping[str, Any]

    def lines(self, name: str) -> str:
        """Give one line of JSON and one for a person."""
        record = {"experiment": name, "holds": self.holds, **self.figures}
        return f"{json.dumps(record)}\n{name}: {'holds' if self.holds else 'BROKEN'}: {self.said}"
