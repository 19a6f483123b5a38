"""What a comparison may cost: neither a bomb nor a crowd of elements is ever in memory."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from pydicom import dcmread, uid

from node.store.same_content import same_content
from tests.support.builders import chest_radiograph, synthetic_chest, write

_MOST = 8 << 20
"""Bytes of Python's memory that a comparison may take; numpy and the interpreter are loaded before."""


def image(folder: Path, name: str, syntax: uid.UID = uid.ExplicitVRLittleEndian) -> Path:
    ds = chest_radiograph(pixels=synthetic_chest((96, 80)), SOPInstanceUID="1.2.3")
    return write(ds, folder / name, syntax)


def padded(path: Path, *, zeros: int, last: bytes) -> Path:
    """Put an element of so many zeros behind a deflated data set, and one other byte at its end."""
    whole = path.read_bytes()
    meta = whole[: 144 + int.from_bytes(whole[140:144], "little")]
    packer = zlib.compressobj(9, wbits=-15)
    head = struct.pack("<HH2sHL", 0x7FE1, 0x1010, b"OB", 0, zeros + 2)
    parts = [packer.compress(zlib.decompress(whole[len(meta) :], -15) + head)]
    for place in range(0, zeros, 1 << 20):
        parts.append(packer.compress(bytes(min(1 << 20, zeros - place))))
    path.write_bytes(meta + b"".join(parts) + packer.compress(last.ljust(2, b"\0")) + packer.flush())
    return path


def peak_of(first: Path, second: Path) -> tuple[bool, int]:
    """Give the verdict, and the most bytes that Python held meanwhile."""
    same_content(first, first)  # what is imported and cached is not counted
    tracemalloc.start()
    try:
        return same_content(first, second), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("last", "same"), [(b"a", True), (b"b", False)])
def test_what_inflates_to_much_is_compared_in_pieces(tmp_path: Path, last: bytes, same: bool) -> None:
    """32 MB out of 40 kB: the verdict is right, and they are never in memory."""
    deflated = uid.DeflatedExplicitVRLittleEndian
    first = padded(image(tmp_path, "a.dcm", deflated), zeros=32 << 20, last=b"a")
    second = padded(image(tmp_path, "b.dcm", deflated), zeros=32 << 20, last=last)

    verdict, peak = peak_of(first, second)

    assert first.stat().st_size < 1 << 20
    assert verdict == same
    assert peak < _MOST


def test_what_inflates_to_more_than_any_image_has_is_the_same_as_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends in the quarantine."""
    monkeypatch.setattr("node.store.inflating.MOST_BYTES", 1 << 20)
    deflated = uid.DeflatedExplicitVRLittleEndian
    first, second = (
        padded(image(tmp_path, name, deflated), zeros=2 << 20, last=b"") for name in ("a.dcm", "b.dcm")
    )
    verdict, peak = peak_of(first, second)

    assert not verdict
    assert peak < _MOST


def test_a_crowd_of_items_is_not_walked_to_its_end(tmp_path: Path) -> None:
    """262,144 empty items in 2 MB."""
    items = b"\x09\x10\x01\x10SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0" * (1 << 18)
    paths = [image(tmp_path, name) for name in ("a.dcm", "b.dcm")]
    for path in paths:
        path.write_bytes(path.read_bytes() + items + b"\xfe\xff\xdd\xe0\0\0\0\0")

    verdict, peak = peak_of(*paths)

    assert not verdict
    assert peak < _MOST


@pytest.mark.parametrize("deep", [20, 5000])
def test_sequences_without_end_are_the_same_as_nothing(tmp_path: Path, deep: int) -> None:
    """Neither a deep nest nor one without delimiters ends the process."""
    nest = (b"\x09\x10\x01\x10SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * deep
    paths = [image(tmp_path, name) for name in ("a.dcm", "b.dcm")]
    for path in paths:
        path.write_bytes(path.read_bytes() + nest)

    assert not same_content(*paths)


def test_pixels_of_an_icon_count(tmp_path: Path) -> None:
    """Pixel data in a sequence are values as others are."""
    paths = []
    for name, byte in (("a.dcm", b"\1\2"), ("b.dcm", b"\1\3")):
        path = image(tmp_path, name)
        ds = dcmread(path)
        icon = chest_radiograph(pixels=synthetic_chest((1, 1)))
        icon.PixelData = byte
        ds.IconImageSequence = [icon]
        paths.append(write(ds, tmp_path / name))

    assert same_content(paths[0], paths[0])
    assert not same_content(*paths)
