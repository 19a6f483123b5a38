"""A stored file -> its data set as pydicom parses it, with its Pixel Data, or as a header alone."""

import errno
import struct
import zlib
from contextlib import nullcontext
from io import BufferedReader, BytesIO
from pathlib import Path

from pydicom import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag

from sgseg_dicom.attributes import UNPARSABLE
from sgseg_dicom.errors import InvalidDataset, StorageUnavailable
from sgseg_dicom.reading.behind_pixel_data import require_nothing_odd_behind
from sgseg_dicom.reading.inflated_file import inflated, inflated_part, is_deflated
from sgseg_dicom.reading.mended_file import mended
from sgseg_dicom.reading.salvage import salvaged

_ICON_IMAGE_SEQUENCE = 0x00880200
_META = 1024
"""Bytes in which the transfer syntax stands."""

_NO_DICOM, _STORE_AGAIN = "not a readable DICOM file", "store it as PS3.10 says, or send it again"
_ERRNO_OF_PARSER = (None, errno.EINVAL)
"""Of an OSError that pydicom raises for what it reads, and of one for a place before the file that it is sent to."""

_MOST_ELEMENTS = 100_000
"""A header has some hundred. A million of empty ones, 8 MB, would take pydicom several seconds."""

_MOST_ITEMS = 20_000
"""
Of all sequences together, fragments of pixels included: a header has some hundred, and a large image as many thousand
fragments as it has blocks of 16 kB. Each item costs a tenth of a millisecond, and eight bytes.
"""

_ITEM_TAGS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
"""(FFFE,E000), in both byte orders."""

_PIECE = 1 << 24

_PIXEL_DATA = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""Pixel Data, also as floats or doubles."""

_UNREADABLE = (InvalidDicomError, EOFError, struct.error, zlib.error, *UNPARSABLE)


def open_image(path: Path) -> FileDataset:
    """
    Parse the file at *path*, with its Pixel Data. What can be mended for sure is (`sgseg_dicom.reading.mended_file`).

    Raises:
        InvalidDataset: not DICOM, or cut off.
        UndecodablePixels: a deflated data set is damaged, or behind the pixels stands what must not.
        StorageUnavailable: the file cannot be read.
    """
    source = _source(path)
    try:
        ds = _parsed(source)
    except InvalidDataset:
        if (whole := _mended(path)) is None:
            raise
        return _parsed(BytesIO(whole))
    if (_ICON_IMAGE_SEQUENCE in ds or "PixelData" not in ds) and (whole := _mended(path)) is not None:
        return _parsed(BytesIO(whole))
    try:
        with path.open("rb") if isinstance(source, Path) else source as file:
            require_nothing_odd_behind(ds, file)
    except OSError as error:
        raise _unavailable(error) from error
    return ds


def open_header(path: Path) -> FileDataset:
    """
    Parse the file at *path* without its pixels, and where need be without the one element that is malformed.

    Raises:
        InvalidDataset: not DICOM.
        StorageUnavailable: the file cannot be read.
    """
    try:
        ds = _parsed(_source(path, header_alone=True), stop_before_pixels=True)
    except InvalidDataset:
        sound = salvaged(path)
        if sound is None:
            raise
        return sound
    if _ICON_IMAGE_SEQUENCE in ds and (whole := _mended(path)) is not None:
        return _parsed(BytesIO(whole), stop_before_pixels=True)
    return ds


def _source(path: Path, *, header_alone: bool = False) -> Path | BytesIO:
    try:
        with path.open("rb") as file:
            start = file.read(_META)
            if not is_deflated(start):
                return path
            data = start + file.read()
    except OSError as error:
        raise _unavailable(error) from error
    return BytesIO(inflated_part(data) if header_alone else inflated(data))


def _mended(path: Path) -> bytes | None:
    try:
        return mended(path)
    except OSError as error:
        raise _unavailable(error) from error


class _End:
    """
    Says to pydicom where to stop reading elements (`stop_when` of `pydicom.filereader.read_partial`).

    Args:
        before_pixels: stop there. Otherwise, only at zeros behind the pixels: they are fill, and no elements.
    """

    def __init__(self, *, before_pixels: bool) -> None:
        self._before_pixels = before_pixels
        self._behind_pixels = False
        self._elements = 0

    def __call__(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        """
        Decide before an element.

        Raises:
            InvalidDataset: there are more elements than any image has.
        """
        self._elements += 1
        if self._elements > _MOST_ELEMENTS:
            raise InvalidDataset(f"the header has more than {_MOST_ELEMENTS} elements; {_STORE_AGAIN}")
        if tag in _PIXEL_DATA:
            self._behind_pixels = True
            return self._before_pixels
        return self._behind_pixels and tag == 0


def _parsed(file: Path | BytesIO, *, stop_before_pixels: bool = False) -> FileDataset:
    try:
        with file.open("rb") if isinstance(file, Path) else nullcontext(file) as opened:
            _require_few_items(opened)
            ds = read_partial(opened, _End(before_pixels=stop_before_pixels))
    except _UNREADABLE as error:
        raise InvalidDataset(f"{_NO_DICOM} ({type(error).__name__}); {_STORE_AGAIN}") from error
    except OSError as error:
        if error.errno in _ERRNO_OF_PARSER:
            raise InvalidDataset(f"{_NO_DICOM} (an element of it is malformed); {_STORE_AGAIN}") from error
        raise _unavailable(error) from error
    if not ds:  # pydicom lets go of all elements where it meets the end of the file within one
        raise InvalidDataset(f"{_NO_DICOM} (it ends within an element, or has none); {_STORE_AGAIN}")
    return ds


def _require_few_items(file: BufferedReader | BytesIO) -> None:
    """
    Look for item tags, before pydicom makes a data set of each item; go back to the start of the file.

    Raises:
        InvalidDataset: there are more than any image has.
    """
    count = 0
    while piece := file.read(_PIECE):
        count += sum(piece.count(tag) for tag in _ITEM_TAGS)
    if count > _MOST_ITEMS:
        raise InvalidDataset(f"the sequences have more than {_MOST_ITEMS} items; {_STORE_AGAIN}")
    file.seek(0)


def _unavailable(error: OSError) -> StorageUnavailable:
    return StorageUnavailable(f"the file cannot be read: {error.strerror}; check the storage")
