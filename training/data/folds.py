"""Parts of the train split that a run leaves out, so that it can predict images that it did not learn."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sgseg_dicom.errors import ConfigError
from training.data.items import Item

_WRITTEN = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Fold:
    """
    One of several parts of the images. No patient is in two parts; the name of an image decides its part.

    Attributes:
        number: of this part, from 0.
        count: number of parts.
    """

    number: int
    count: int

    def holds(self, item: Item) -> bool:
        """Say whether *item* is in this part."""
        return int.from_bytes(hashlib.sha256(item.patient.encode()).digest()[:8]) % self.count == self.number

    def without(self, items: Sequence[Item]) -> list[Item]:
        """Give the *items* of the other parts."""
        return [item for item in items if not self.holds(item)]

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def fold_at(written: str) -> Fold:
    """
    Read a part: "0/4" is the first of four.

    Raises:
        ConfigError: the text is no part, or there is no such part.
    """
    found = _WRITTEN.fullmatch(written)
    if found is None or not int(found[1]) < int(found[2]) or int(found[2]) < 2:
        raise ConfigError(f'{written!r} is no part of the images; "0/4" to "3/4" are the four of four')
    return Fold(int(found[1]), int(found[2]))
