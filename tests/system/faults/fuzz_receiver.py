"""Fuzzed data sets to a real receiver, over real associations: each is answered or aborted, and good images go on."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import generate_uid

from tests.node.processes import Half
from tests.node.raw_peer import DX, EXPLICIT, IMPLICIT, VERIFICATION, p_data, play, request, store_command
from tests.support.builders import chest_radiograph, synthetic_chest
from tests.support.fuzzing import Base, bases, fuzzed
from tests.system.faults.footprints import footprint

GOOD_EVERY = 100
_PIECE = 16_000


@dataclass
class Answered:
    """
    What the receiver said.

    Attributes:
        answers: how often each: a status, "aborted" or "closed".
        silent: numbers of data sets without an answer.
        good: how a good image was answered after each hundred.
        longest: seconds until an answer, at most.
        bytes_before, bytes_after: memory of the receiver.
        lives: whether it is still the same process.
    """

    answers: Counter[str] = field(default_factory=Counter)
    silent: list[int] = field(default_factory=list)
    good: list[str] = field(default_factory=list)
    longest: float = 0.0
    bytes_before: int = 0
    bytes_after: int = 0
    lives: bool = True


def send_fuzzed(receiver: Half, folder: Path, count: int, *, seed: int) -> Answered:
    """Send so many data sets, an association each."""
    end, sound, port = Answered(), bases(folder), receiver.ready["port"]
    _good(port)
    end.bytes_before = footprint(receiver.process.pid).bytes
    for number in range(count):
        base, body = fuzzed(sound, number, seed=seed)
        began = time.monotonic()
        try:
            words = play(port, _request(base), _messages(base, body, number, seed), answers=1)
            end.answers[words[1] if len(words) > 1 else words[0]] += 1
        except ConnectionError:  # it was aborted while we wrote
            end.answers["aborted"] += 1
        except TimeoutError:
            end.silent.append(number)
        end.longest = max(end.longest, time.monotonic() - began)
        if number % GOOD_EVERY == GOOD_EVERY - 1 or number == count - 1:
            end.good.append(_good(port))
    end.bytes_after = footprint(receiver.process.pid).bytes
    end.lives = receiver.process.poll() is None
    return end


def _request(base: Base) -> bytes:
    return request({1: (VERIFICATION, [IMPLICIT]), 3: (DX, [str(base.syntax)])})


def _messages(base: Base, body: bytes, number: int, seed: int) -> Sequence[bytes]:
    """Give the command and the data set; one in four has the UID of another, one in ten a command that is damaged."""
    chance = random.Random(f"{seed}|{number}|message")
    uid = base.sop_instance_uid if chance.random() < 0.25 else generate_uid(entropy_srcs=[f"{seed}|{number}"])
    command = bytearray(store_command(uid, {}))
    if chance.random() < 0.1:
        command[chance.randrange(len(command))] ^= 1 << chance.randrange(8)
    pieces = [body[at : at + _PIECE] for at in range(0, len(body), _PIECE)] or [b""]
    data = [p_data(3, one, is_command=False, last=False) for one in pieces[:-1]]
    return [p_data(3, bytes(command), is_command=True), *data, p_data(3, pieces[-1], is_command=False)]


def _good(port: int) -> str:
    uid = generate_uid()
    data = _encoded(uid)
    contexts = {1: (VERIFICATION, [IMPLICIT]), 3: (DX, [EXPLICIT])}
    sent = [p_data(3, store_command(uid, {}), is_command=True), p_data(3, data, is_command=False)]
    return play(port, request(contexts), sent, answers=1)[1]


def _encoded(uid: str) -> bytes:
    encoded = DicomBytesIO()
    encoded.is_little_endian, encoded.is_implicit_VR = True, False
    write_dataset(encoded, chest_radiograph(pixels=synthetic_chest((40, 32)), SOPInstanceUID=uid))
    return encoded.getvalue()
