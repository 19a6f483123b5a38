"""
A fuzz test: real codestreams, damaged as transfer, storage and faulty writers do, in every transfer syntax.

Each ends in an error of ours, or in the pixels of the whole image. "A little different" is a failure. Where a codec
has no way to know (docs/damaged-streams.md), a most is named.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid
from pydicom.uid import UID

from sgseg_dicom.accepted_objects import TRANSFER_SYNTAXES
from tests.support.builders import synthetic_chest
from tests.support.damaging import DAMAGES, WholeImage

CHEST = synthetic_chest((128, 112))
EACH = 4
SEED = 19
_ANY = {
    "fragments swapped": 4,
    "part zeroed": 4,
    "part overwritten": 4,
    "nine bytes changed": 4,
    "one bit flipped": 4,
}
_HTJ2K = {"part zeroed": 1, "part overwritten": 2, "nine bytes changed": 1, "one bit flipped": 4}
MOST: Mapping[UID, Mapping[str, int]] = {
    uid.ExplicitVRLittleEndian: _ANY,
    uid.ImplicitVRLittleEndian: _ANY,
    uid.ExplicitVRBigEndian: _ANY,
    uid.DeflatedExplicitVRLittleEndian: _ANY,  # the UIDs in it are new each time, and so is the stream
    uid.RLELossless: {"part zeroed": 1, "part overwritten": 1, "one bit flipped": 4},
    uid.JPEGLossless: {"fragments swapped": 2, "one bit flipped": 3},
    uid.JPEGLosslessSV1: {"fragments swapped": 1, "one bit flipped": 4},
    uid.JPEGExtended12Bit: {"one bit flipped": 3},
    uid.JPEGBaseline8Bit: {"fragments swapped": 2, "one bit flipped": 3},
    uid.HTJ2KLossless: _HTJ2K,
    uid.HTJ2KLosslessRPCL: _HTJ2K,
    uid.HTJ2K: _HTJ2K,
}
"""By transfer syntax and damage: how many of `EACH` are let through at most, where not none."""


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES, ids=lambda syntax: syntax.name)
def test_a_damaged_stream_is_refused_or_gives_the_whole_image(syntax: UID, tmp_path: Path) -> None:
    """No damage that the codec can know of is let through."""
    whole = WholeImage(CHEST, syntax, tmp_path)
    through: Counter[str] = Counter()
    for number, (name, damage) in enumerate(DAMAGES.items()):
        rng = np.random.default_rng([SEED, number])
        for _ in range(EACH):
            outcome = whole.outcome(damage(whole.stream, rng))
            through[name] += not outcome.refused and not outcome.same

    most = MOST.get(syntax, {})
    assert {name: count for name, count in through.items() if count > most.get(name, 0)} == {}
