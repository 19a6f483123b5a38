"""Images in several transfer syntaxes, and what hostile or broken senders do to their bytes; seeded."""

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydicom import uid
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID

from tests.support.builders import chest_radiograph, synthetic_chest, write

SYNTAXES = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.HTJ2KLossless,
)
_SHAPE = (40, 32)
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_VRS = (*sorted(_LONG), b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT")
_VRS += (b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US", b"??", b"\0\0")
_LENGTHS = (0, 1, 2, 7, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_VALUES = (
    b"",
    b"\0",
    b"\\",
    b"\\" * 40,
    b"1e999",
    b"-1",
    b"nan",
    b"NaN\\inf",
    b"9" * 60,
    b"\xff" * 8,
    b"\x1b$B",
)
_VALUES += (
    b"\x1b(J\x1b$)C\xb1",
    b"1.2.3",
    b"0" * 70,
    b"99999999",
    b"=^=^=",
    b" " * 16,
    bytes(range(128, 192)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """A sound image: what stands before its data set, the data set as it is stored, and its transfer syntax."""

    head: bytes
    body: bytes
    syntax: UID
    sop_instance_uid: str

    @property
    def is_implicit(self) -> bool:
        """Whether its elements have no value representation."""
        return self.syntax == uid.ImplicitVRLittleEndian

    @property
    def order(self) -> str:
        """Its byte order, as `struct` names it."""
        return ">" if self.syntax == uid.ExplicitVRBigEndian else "<"

    @property
    def is_deflated(self) -> bool:
        """Whether its data set is compressed as a whole."""
        return self.syntax == uid.DeflatedExplicitVRLittleEndian


class Element(NamedTuple):
    """Where an element begins, where its value does, and where it ends."""

    start: int
    value: int
    end: int


Mutation = Callable[[bytes, Base, random.Random], bytes]


def bases(folder: Path) -> list[Base]:
    """Write small images, one in each transfer syntax, and give their bytes."""
    found = []
    for seed, syntax in enumerate(SYNTAXES):
        ds = chest_radiograph(
            pixels=synthetic_chest(_SHAPE, seed=seed), seed=seed, kind=("DX", "CR")[seed % 2]
        )
        path = write(ds, folder / "base.dcm", syntax)
        data = path.read_bytes()
        start = 132 + 12 + read_file_meta_info(path).FileMetaInformationGroupLength
        body = data[start:]
        if syntax == uid.DeflatedExplicitVRLittleEndian:
            body = zlib.decompress(body, wbits=-15)
        found.append(Base(head=data[:start], body=body, syntax=syntax, sop_instance_uid=ds.SOPInstanceUID))
    return found


def fuzzed(sound: Sequence[Base], number: int, *, seed: int) -> tuple[Base, bytes]:
    """Give data set *number*: the base that it was, and what became of the bytes of its data set."""
    chance = random.Random(f"{seed}|{number}")
    base = sound[number % len(sound)]
    body = base.body
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        body = chance.choice(MUTATIONS)(body, base, chance)
    if base.is_deflated:
        body = _deflated(body, chance)
    return base, body


def fuzzed_file(sound: Sequence[Base], number: int, *, seed: int) -> bytes:
    """Give the same as a stored file; the file meta information of one in ten is damaged, too."""
    base, body = fuzzed(sound, number, seed=seed)
    chance = random.Random(f"{seed}|{number}|head")
    head = bits_flipped(base.head[128:], base, chance) if chance.random() < 0.1 else base.head[128:]
    return base.head[:128] + head + body


def bits_flipped(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Flip up to sixteen bits, often in the header alone."""
    changed, reach = bytearray(data), min(len(data), chance.choice((200, 1200, len(data))))
    for _ in range(chance.choice((1, 2, 4, 16)) if reach else 0):
        changed[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Cut off the end."""
    return data[: chance.randrange(len(data) + 1)]


def piece_removed(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Take out some bytes."""
    start, end = _piece(data, chance)
    return data[:start] + data[end:]


def piece_doubled(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Write some bytes twice."""
    start, end = _piece(data, chance)
    return data[:end] + data[start:]


def noise(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Write chance over some bytes."""
    start, end = _piece(data, chance)
    return data[:start] + chance.randbytes(end - start) + data[end:]


def word_replaced(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Write a length that is at a limit anywhere."""
    at = chance.randrange(max(1, len(data) - 4))
    return data[:at] + struct.pack(base.order + "L", chance.choice(_LENGTHS)) + data[at + 4 :]


def element_removed(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Take out an element."""
    one = _element(data, base, chance)
    return data[: one.start] + data[one.end :]


def element_doubled(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Write an element again, at another place."""
    one, other = _element(data, base, chance), _element(data, base, chance)
    return data[: other.start] + data[one.start : one.end] + data[other.start :]


def vr_swapped(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Give an element another value representation."""
    one = _element(data, base, chance)
    return data[: one.start + 4] + chance.choice(_VRS) + data[one.start + 6 :]


def length_changed(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Let an element say that it is longer or shorter than it is."""
    one = _element(data, base, chance)
    size = 2 if not base.is_implicit and data[one.start + 4 : one.start + 6] not in _LONG else 4
    length = chance.choice((*_LENGTHS, chance.randrange(1 << 12))) & ((1 << 8 * size) - 1)
    packed = struct.pack(base.order + ("H" if size == 2 else "L"), length)
    return data[: one.value - size] + packed + data[one.value :]


def value_of_wrong_kind(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Write a value that its value representation does not allow, with the right length."""
    one = _element(data, base, chance)
    value = chance.choice((*_VALUES, chance.randbytes(chance.randrange(40))))
    tag, vr = _head_of(data, one)
    return data[: one.start] + _encoded(tag, vr, value, base) + data[one.end :]


def number_changed(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Change rows, columns, bits or frames; images claim sizes that they do not have."""
    group, element = chance.choice(
        ((0x28, 2), (0x28, 8), (0x28, 0x10), (0x28, 0x11), (0x28, 0x100), (0x28, 0x101))
    )
    value = struct.pack(base.order + "H", chance.choice((0, 1, 2, 7, 8, 16, 33, 4096, 10_000, 65_535)))
    tag = struct.pack(base.order + "HH", group, element)
    for one in _elements(data, base):
        if data[one.start : one.start + 4] == tag:
            return data[: one.start] + _encoded(tag, b"US", value, base) + data[one.end :]
    return data


def sequences_nested(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Put a sequence within a sequence, up to thousands deep, with or without their ends."""
    depth, place = chance.choice((1, 3, 30, 300, 3000)), _element(data, base, chance).start
    tag = struct.pack(
        base.order + "HH", *chance.choice(((0x0008, 0x1140), (0x0040, 0xA730), (0x0009, 0x1001)))
    )
    begin = tag + (b"" if base.is_implicit else b"SQ\0\0") + b"\xff" * 4
    begin += struct.pack(base.order + "HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack(base.order + "HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    ends = depth if chance.random() < 0.7 else chance.randrange(depth + 1)
    return data[:place] + begin * depth + end * ends + data[place:]


def order_changed(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Move an element to another place."""
    one, other = sorted((_element(data, base, chance), _element(data, base, chance)))
    moved = data[one.start : one.end]
    return data[: one.start] + data[one.end : other.end] + moved + data[other.end :]


MUTATIONS: Sequence[Mutation] = (
    bits_flipped,
    cut,
    piece_removed,
    piece_doubled,
    noise,
    word_replaced,
    element_removed,
    element_doubled,
    vr_swapped,
    length_changed,
    value_of_wrong_kind,
    number_changed,
    sequences_nested,
    order_changed,
)


def _deflated(body: bytes, chance: random.Random) -> bytes:
    """Compress the data set; sometimes with zeros behind it, and sometimes damaged afterwards."""
    if chance.random() < 0.05:
        body += bytes(chance.choice((1 << 20, 1 << 24)))
    packer = zlib.compressobj(6, wbits=-15)
    packed = packer.compress(body) + packer.flush()
    if chance.random() < 0.3:
        at = chance.randrange(len(packed))
        packed = packed[:at] + chance.randbytes(1) + packed[at + 1 :]
    return packed[: chance.randrange(len(packed))] if chance.random() < 0.1 else packed


def _piece(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.choice((1, 2, 3, 8, 64, 512)))


def _element(data: bytes, base: Base, chance: random.Random) -> Element:
    found = _elements(data, base)
    return chance.choice(found) if found else Element(0, 0, 0)


def _elements(data: bytes, base: Base) -> list[Element]:
    """Walk over the top-level elements, as far as they are sound; one without a length reaches to the end."""
    found, place = [], 0
    while place + 8 <= len(data):
        if base.is_implicit:
            value, (length,) = place + 8, struct.unpack_from(base.order + "L", data, place + 4)
        elif data[place + 4 : place + 6] in _LONG:
            if place + 12 > len(data):
                break
            value, (length,) = place + 12, struct.unpack_from(base.order + "L", data, place + 8)
        else:
            value, (length,) = place + 8, struct.unpack_from(base.order + "H", data, place + 6)
        end = len(data) if length == 0xFFFFFFFF else value + length
        if end > len(data):
            break
        found.append(Element(place, value, end))
        place = end
    return found


def _head_of(data: bytes, one: Element) -> tuple[bytes, bytes]:
    return data[one.start : one.start + 4], data[one.start + 4 : one.start + 6]


def _encoded(tag: bytes, vr: bytes, value: bytes, base: Base) -> bytes:
    value += b"\0" * (len(value) % 2)
    if base.is_implicit:
        return tag + struct.pack(base.order + "L", len(value)) + value
    if vr in _LONG:
        return tag + vr + b"\0\0" + struct.pack(base.order + "L", len(value)) + value
    return tag + vr + struct.pack(base.order + "H", len(value)) + value
