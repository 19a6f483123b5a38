"""Values of a parsed header as text and numbers, whatever a sender wrote into them."""

import math
import struct
import unicodedata
from collections.abc import Iterator

from pydicom import Dataset
from pydicom.errors import BytesLengthException

UNPARSABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    struct.error,
    BytesLengthException,
)
"""What pydicom raises for a value that breaks its value representation (found by flipping bytes)."""

LEAST_SPACING_MM = 0.01
"""A smaller pixel spacing is no spacing: the finest detectors have 0.05 mm."""

LOSS_KEYWORDS = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
"""What an image says of lossy compression (PS3.3 C.7.6.1.1.5)."""


def text_of(header: Dataset, keyword: str) -> str:
    """Give a value as trimmed upper-case text, several joined by a backslash; "" where absent."""
    value = header.get(keyword)
    if value is None:
        return ""
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else value
    return "\\".join(str(one).strip().upper() for one in values)


def free_text_of(header: Dataset, keyword: str) -> str:
    """
    Give a Code String as `text_of` does, also where it breaks its rule (PS3.5 6.2: ASCII) and holds UTF-8.

    pydicom decodes Code Strings byte by byte, whatever the character set. Underscores stay.
    """
    value = header.get(keyword)
    try:
        return str(value).encode("latin-1").decode("utf-8").strip().upper() if value else ""
    except UnicodeError:
        return text_of(header, keyword)


def without_accents(text: str) -> str:
    """ "LATÉRAL" is "LATERAL"; Hangul, which comes apart as accents do, is put together again."""
    apart = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(sign for sign in apart if not unicodedata.combining(sign)))


def numbers_of(header: Dataset, keyword: str) -> list[float]:
    """Give the values as finite numbers; none where the element is absent or one value is no number."""
    try:
        numbers = [float(text) for text in text_of(header, keyword).split("\\")]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def first_number(header: Dataset, keyword: str) -> float | None:
    """Give the first value if it is a finite number, whatever stands behind it; else None."""
    try:
        number = float(text_of(header, keyword).split("\\")[0])
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def spacing_pair(header: Dataset, keyword: str) -> tuple[float, float] | None:
    """Give the first two values if both are distances that a detector can have between its pixels, else None."""
    numbers = numbers_of(header, keyword)[:2]
    return (numbers[0], numbers[1]) if len(numbers) == 2 and min(numbers) >= LEAST_SPACING_MM else None


def coded_concepts(header: Dataset, keyword: str) -> Iterator[tuple[str, str]]:
    """Give Code Value and Code Meaning of each item of a code sequence, in upper case; "" where one is absent."""
    for item in header.get(keyword) or ():
        yield text_of(item, "CodeValue"), text_of(item, "CodeMeaning")
