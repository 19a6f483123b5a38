"""
What stands behind native Pixel Data in a file.

Nothing, padding or a further element may. Anything else means that bytes were put in, or doubled, within the pixels:
their length counts the bytes that were to be there, so the last ones are pushed out behind it.
"""

import struct
from io import SEEK_END, BufferedReader, BytesIO

from pydicom import FileDataset
from pydicom.dataelem import RawDataElement

from sgseg_dicom.attributes import UNPARSABLE
from sgseg_dicom.errors import UndecodablePixels

_PIXEL_DATA = (0x7FE0, 0x0010)
_PEEKED = 64
_UNDEFINED = 0xFFFFFFFF


def require_nothing_odd_behind(ds: FileDataset, file: BufferedReader | BytesIO) -> None:
    """
    Require that what follows native Pixel Data of *ds* in *file*, from which it was read, may be there.

    Raises:
        UndecodablePixels: it may not.
    """
    try:
        element = ds.get_item("PixelData") if "PixelData" in ds else None
    except UNPARSABLE as error:
        raise UndecodablePixels(
            "the value representation of Pixel Data does not exist (PS3.5 6.2); send the image again"
        ) from error
    if not isinstance(element, RawDataElement) or element.length == _UNDEFINED:
        return
    end = element.value_tell + element.length
    file.seek(end)
    rest = file.read(_PEEKED)
    left = file.seek(0, SEEK_END) - end
    if len(set(rest)) > 1 and not _is_element(rest, left, element):
        raise UndecodablePixels(
            f"behind Pixel Data stand {left} bytes that are no element: the file is damaged, and the pixels may be "
            "too; send the image again"
        )


def _is_element(rest: bytes, left: int, pixel_data: RawDataElement) -> bool:
    """Whether an element that may follow Pixel Data begins here: a later tag, and a length or a VR that can be."""
    if len(rest) < 8:
        return False
    order = "<" if pixel_data.is_little_endian else ">"
    *tag, length = struct.unpack_from(f"{order}HHL", rest)
    if tuple(tag) <= _PIXEL_DATA:
        return False
    return length <= left - 8 if pixel_data.is_implicit_VR else rest[4:6].isalpha() and rest[4:6].isupper()
