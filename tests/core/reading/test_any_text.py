"""Character sets: whatever text a device declares and writes rightly is the text that is read."""

import re
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sgseg_dicom.reading.read import read_header
from tests.support.builders import chest_radiograph, write

ASCII = "abcXYZ 019-.'"
SINGLE_BYTE = {  # PS3.3 C.12.1.1.2: defined term -> Python's codec, of which the right half is asked for
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 203": "iso8859_15",
    "ISO_IR 166": "iso8859_11",
    "ISO_IR 13": "shift_jis",
}
ESCAPED = {  # the same, of sets with code extensions: codec, and the escape sequence that it lacks (PS3.5 annexes)
    "ISO 2022 IR 87": ("iso2022_jp", b""),
    "ISO 2022 IR 149": ("euc_kr", b"\x1b$)C"),
    "ISO 2022 IR 58": ("gb2312", b"\x1b$)A"),
}
LONGEST = 64
"""Bytes of a text with its padding: 14 characters, each of two bytes and behind an escape sequence of three, fit."""

HAN, HANGUL = range(0x4E00, 0x9FA6), range(0xAC00, 0xD7A4)


@cache
def right_half(codec: str) -> str:
    """Give the characters of the bytes from A1 on: below it there are controls, and the space that never breaks."""
    decoded = (bytes([byte]).decode(codec, "ignore") for byte in range(0xA1, 0x100))
    return "".join(character for character in decoded if character.isprintable())


@cache
def known_to(codec: str, characters: range) -> str:
    """Give about a hundred characters of a range, as far as a codec has them; euc_kr builds some of parts."""
    few = map(chr, characters[:: max(1, len(characters) // 100)])
    written = {character: re.sub(rb"\x1b..", b"", character.encode(codec, "ignore")) for character in few}
    return "".join(character for character, content in written.items() if 1 <= len(content) <= 3)


def is_utf_8(written: bytes) -> bool:
    try:
        written.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@cache
def texts(characters: str) -> st.SearchStrategy[str]:
    """Write ASCII and other letters; spaces at the ends mean nothing in DICOM."""
    return st.text(st.sampled_from(characters + ASCII), min_size=1, max_size=14).map(str.strip).filter(bool)


@pytest.fixture(scope="module")
def texts_read(tmp_path_factory):
    """Read the description and the patient's name of a header in which they have these bytes."""
    folder = tmp_path_factory.mktemp("texts")

    @cache
    def blank(*declared: str) -> bytes:
        ds = chest_radiograph(PatientName="N" * LONGEST, StudyDescription="D" * LONGEST)
        ds.SpecificCharacterSet = list(declared)
        del ds.PixelData
        return write(ds, folder / "blank.dcm").read_bytes()

    def read(written: bytes, *declared: str) -> list[str]:
        content = blank(*declared)
        for placed in (b"N" * LONGEST, b"D" * LONGEST):
            assert content.count(placed) == 1
            content = content.replace(placed, written.ljust(LONGEST))
        (folder / "image.dcm").write_bytes(content)
        header = read_header(folder / "image.dcm")
        return [header.StudyDescription, str(header.PatientName)]

    return read


@pytest.mark.parametrize("declared", SINGLE_BYTE)
@pytest.mark.filterwarnings("ignore")  # pydicom does not know ISO_IR 203
@settings(max_examples=30)
@given(data=st.data())
def test_a_text_in_an_alphabet_of_one_byte_is_read(texts_read, declared, data):
    """Latin, Greek, Cyrillic, Arabic, Hebrew, Thai and half-width Katakana."""
    codec = SINGLE_BYTE[declared]
    text = data.draw(texts(right_half(codec)))
    written = text.encode(codec)
    assume(declared != "ISO_IR 100" or written.isascii() or not is_utf_8(written))  # which is believed more

    assert texts_read(written, declared) == [text] * 2


@pytest.mark.parametrize(
    ("declared", "codec"), [("ISO_IR 192", "utf-8"), ("GB18030", "gb18030"), ("GBK", "gbk")]
)
@settings(max_examples=30)
@given(data=st.data())
def test_a_text_in_an_alphabet_of_many_bytes_is_read(texts_read, declared, codec, data):
    """Chinese characters beside the letters of Europe, as far as the encoding has them."""
    text = data.draw(texts(known_to(codec, HAN) + known_to(codec, range(0x391, 0x3CA))))

    assert texts_read(text.encode(codec), declared) == [text] * 2


@pytest.mark.parametrize("declared", ESCAPED)
@settings(max_examples=30)
@given(data=st.data())
def test_a_text_behind_an_escape_sequence_is_read(texts_read, declared, data):
    """Japanese, Korean and Chinese with code extensions: nothing of the escape sequence stays in the text."""
    codec, escape = ESCAPED[declared]
    text = data.draw(texts(known_to(codec, HANGUL if codec == "euc_kr" else HAN)))

    assert texts_read(escape + text.encode(codec), "", declared) == [text] * 2
