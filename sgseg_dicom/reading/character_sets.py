"""Which characters the bytes of a data set mean: its Specific Character Set, and what to do where it is wrong."""

import re
from collections.abc import Iterator, Sequence

from pydicom import Dataset
from pydicom.charset import CODES_TO_ENCODINGS, ESC, convert_encodings, default_encoding
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR

_SPECIFIC_CHARACTER_SET = 0x00080005
_LATIN = ("iso8859", "latin_1")
"""What pydicom reads where none, ISO_IR 6 or ISO_IR 100 is declared: it decodes any bytes, rightly or not."""

_ESCAPES = re.compile(b"|".join(re.escape(escape) for escape in CODES_TO_ENCODINGS))
_ESCAPES_LEFT = re.compile(_ESCAPES.pattern.decode("ascii"))
_LATIN_9 = re.compile(r"ISO(_| 2022 )IR 203")
"""Latin alphabet No. 9 (PS3.3 C.12.1.1.2, since 2018), which pydicom 3.0 does not know."""


def encodings_of(ds: Dataset, inherited: Sequence[str] = (), *, undeclared: str = "") -> list[str]:
    """
    Give the Python encodings of the texts of *ds*, whose values have not been converted yet.

    As declared (PS3.3 C.12.1.1.2), unless the bytes tell otherwise, as some devices' do: UTF-8 under no
    declaration or Latin-1; Latin-1 under one that cannot decode it; escape sequences of sets not declared
    (PS3.5 6.1.2.5). What nothing explains is read as Latin-1, which keeps every byte.

    Args:
        ds: a data set, or an item of a sequence.
        inherited: the encodings around an item.
        undeclared: Python's name of what the site's devices mean where they declare nothing; "": Latin-1.
    """
    stated = _stated(ds)
    declared = stated or list(inherited) or [default_encoding]
    texts = [text for text in _texts(ds) if ESC in text or not text.isascii()]
    escaped = [CODES_TO_ENCODINGS[code] for text in texts for code in _ESCAPES.findall(text)]
    plain = [text for text in texts if ESC not in text]
    site_decides = undeclared and not stated and not inherited
    first = _first_at_site(undeclared, plain) if site_decides else _first(declared[0], plain)
    return [first, *dict.fromkeys([*declared[1:], *escaped])]


def without_escapes(text: str) -> str:
    """
    Take escape sequences out of a decoded text, where they mean nothing any more (PS3.5 6.1.2.5.3).

    pydicom 3.0 leaves those to GB 2312 (ISO 2022 IR 58) in, to be stripped by Python's codec, which does not.
    """
    return _ESCAPES_LEFT.sub("", text)


def _stated(ds: Dataset) -> list[str]:
    """Give the encodings that the element declares; none where it is absent, empty, or no term at all."""
    try:
        terms = ds.get(_SPECIFIC_CHARACTER_SET)
        if terms is not None and not terms.is_empty:
            return _encodings_named([terms.value] if terms.VM == 1 else list(terms.value))
    except (LookupError, NotImplementedError, TypeError, ValueError):  # a damaged element
        pass
    return []


def _encodings_named(terms: list[str]) -> list[str]:
    """Give Python's names of defined terms; those that are none are Latin-1."""
    named = convert_encodings(["ISO_IR 100" if _LATIN_9.fullmatch(term) else term for term in terms])
    if _LATIN_9.fullmatch(terms[0]):  # later ones need an escape sequence, which pydicom does not know
        named[0] = "iso8859_15"
    return named


def _first_at_site(undeclared: str, texts: Sequence[bytes]) -> str:
    """Choose where nothing is declared: UTF-8 first, in which texts of other encodings are hardly ever valid."""
    if all(_is(text, "utf-8") for text in texts):
        return "utf-8"
    return undeclared if any(_is(text, undeclared) for text in texts) else "latin_1"


def _first(declared: str, texts: Sequence[bytes]) -> str:
    """Choose what decodes bytes before any escape sequence; one text that is cut off proves nothing."""
    in_utf_8 = [_is(text, "utf-8") for text in texts]
    if not texts:
        return declared
    if declared in _LATIN:
        return "utf-8" if all(in_utf_8) else declared
    if any(_is(text, declared) for text in texts):
        return declared
    return "utf-8" if any(in_utf_8) else "latin_1"


def _is(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def _texts(ds: Dataset) -> Iterator[bytes]:
    """Give the bytes of every text whose meaning depends on the character set, items' not among them."""
    for tag in sorted(ds.keys()):  # no element is converted yet
        element = ds.get_item(tag, keep_deferred=True)  # else an empty one is converted, damaged or not
        if element is None or not isinstance(element.value, bytes):
            continue
        vr = element.VR or (dictionary_VR(tag) if dictionary_has_tag(tag) else "")
        if vr in CUSTOMIZABLE_CHARSET_VR:
            yield element.value
