"""Reading a data set that may lack anything: nothing here raises."""

from functools import cache
from typing import Any

from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag

from sgseg_dicom.attributes import UNPARSABLE

Code = tuple[str, str]
"""Code Value and Coding Scheme Designator."""

NO_CODE: Code = ("", "")

_PLAIN = frozenset({"CS", "LO", "LT", "SH", "ST", "UI", "UT"})
_UTF_8 = convert_encodings("ISO_IR 192")


def value(ds: Dataset, keyword: str) -> Any:
    """Give a value as pydicom does; None where absent, or where its bytes are no such value."""
    try:
        element = ds.get(_tag(keyword))  # by the tag: several thousand look-ups an image
    except UNPARSABLE:
        return None
    return None if element is None else element.value


def text(ds: Dataset, keyword: str) -> str:
    """Give a value as text without padding, several joined by a backslash; "" where absent."""
    if (plain := _plain_text(ds, keyword)) is not None:
        return plain
    held = value(ds, keyword)
    if held is None:
        return ""
    several = hasattr(held, "__iter__") and not isinstance(held, str | bytes) and not _is_name(held)
    return "\\".join(str(one) for one in held).strip() if several else str(held).strip()


def number(ds: Dataset, keyword: str) -> float:
    """Give a value as a number; -1 where absent or none: nothing that is counted or measured is negative."""
    try:
        return float(text(ds, keyword))
    except ValueError:
        return -1.0


def items(ds: Dataset, keyword: str) -> list[Dataset]:
    """Give the items of a sequence; none where absent."""
    return list(value(ds, keyword) or ())


def code(ds: Dataset, keyword: str) -> Code:
    """Give the code of a sequence that must have one item; NO_CODE where it has not."""
    found = items(ds, keyword)
    return code_of(found[0]) if len(found) == 1 else NO_CODE


def code_of(item: Dataset) -> Code:
    """Give the code that a coded item is (PS3.3 Table 8.8-1)."""
    return text(item, "CodeValue"), text(item, "CodingSchemeDesignator")


def referenced(ds: Dataset) -> tuple[str, str]:
    """Give Referenced SOP Class UID and Referenced SOP Instance UID."""
    return text(ds, "ReferencedSOPClassUID"), text(ds, "ReferencedSOPInstanceUID")


def _plain_text(ds: Dataset, keyword: str) -> str | None:
    """Give one text that lies in UTF-8 as it was read, without pydicom's conversion; None: pydicom must convert."""
    raw = ds.get_item(_tag(keyword))
    if not isinstance(raw, RawDataElement) or raw.VR not in _PLAIN or ds.original_character_set != _UTF_8:
        return None
    content = raw.value or b""
    return None if b"\\" in content else content.decode(errors="replace").rstrip(" \0").strip()


def _is_name(value: object) -> bool:
    return hasattr(value, "family_name")


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)
