"""One stored file -> Radiograph: open, refuse what is no radiograph, decode, render, turn to the display."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileDataset
from pydicom.config import disable_value_validation
from pydicom.uid import UID, UID_dictionary

from sgseg_dicom.accepted_objects import SOP_CLASSES
from sgseg_dicom.attributes import UNPARSABLE, numbers_of, spacing_pair, text_of
from sgseg_dicom.errors import InvalidDataset, UnsupportedObject
from sgseg_dicom.own_results import is_own_result
from sgseg_dicom.reading.display_settings import display_settings_of
from sgseg_dicom.reading.grayscale import render
from sgseg_dicom.reading.header import header_of
from sgseg_dicom.reading.lossy_compression import state_loss
from sgseg_dicom.reading.open_file import open_header, open_image
from sgseg_dicom.reading.patient_orientation import orientation_of
from sgseg_dicom.reading.pixel_data import PixelFormat, decode
from sgseg_dicom.reading.plane_orientation import state_orientation
from sgseg_dicom.reading.undeclared_borders import shown_within_border
from sgseg_dicom.records import Radiograph

_MODALITIES = frozenset({"", "CR", "DX", "DR", "RG", "XR", "OT"})  # "": absent; DR and XR: not standard, met
# Only defined terms are quoted in messages, which go to logs: a sender can write a name into any attribute.
_OTHER_MODALITIES = frozenset(
    {"AR", "AU", "BDUS", "BI", "BMD", "CT", "DG", "DOC", "ECG", "EPS", "ES", "FID", "GM", "HC", "HD", "IO"}
    | {"IVOCT", "IVUS", "KER", "KO", "LEN", "LS", "M3D", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPT"}
    | {"OPV", "OSS", "PLAN", "PR", "PT", "PX", "REG", "RESP", "RF", "RTDOSE", "RTIMAGE", "RTPLAN", "RTSTRUCT"}
    | {"RWV", "SEG", "SM", "SMR", "SR", "SRF", "STAIN", "TG", "US", "VA", "XA", "XC"}
)  # PS3.3 C.7.3.1.1.1
_OTHER_PHOTOMETRICS = frozenset(
    {"PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422"}
    | {"YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB"}
)  # PS3.3 C.7.6.3.1.2
_ROUNDING = 0.01
"""What an archive may change of a spacing by writing it anew, as a share of it."""

_MOST_OBLONG = 5.0
"""How many times taller than wide, or the reverse, a pixel can be."""

_UID = re.compile(r"[0-9.]{1,64}")


def read(
    path: Path, *, undeclared: str = "", require_room: Callable[[int], None] | None = None
) -> Radiograph:
    """
    Read one stored chest radiograph as a viewer would show it.

    Args:
        path: the stored image.
        undeclared: the encoding of texts where the image declares none (`sgseg_dicom.reading.character_sets`).
        require_room: called with the number of pixels before they are decoded. It may wait, or raise an SgsegError.
            None decodes every size that `PixelFormat` allows.

    Raises:
        InvalidDataset: not DICOM, cut off, an attribute that every image must have is missing, or the file
            meta information names another image.
        UnsupportedObject: SOP class, modality, colour or frames that no chest radiograph has; a result of ours.
        UndecodablePixels: the pixel data are missing, cut off, or contradict the header.
        StorageUnavailable: the file cannot be read.
    """
    # pydicom warns of a value that breaks its VR with the value itself, which may be a birth date.
    with disable_value_validation():
        try:
            ds = open_image(path)
        except InvalidDataset as error:
            error.names_image = _names_image(path)
            raise
        header = header_of(ds, undeclared=undeclared)
        state_orientation(header)
        _require_identity(header)
        _require_one_identity(ds, header)
        _require_foreign(header)
        _require_radiograph(header)
        pixel_format = PixelFormat.of(header)
        if require_room is not None:
            require_room(pixel_format.rows * pixel_format.columns)
        state_loss(header, ds)
        codes = decode(ds, pixel_format)
        del ds  # with the bytes of the pixels
        stated = display_settings_of(header, pixel_format)
        orientation = orientation_of(stated.orientation)
        shown = shown_within_border(codes) if stated.shutter is None else ~stated.shutter.hidden
        rendered = render(  # turned to the display before it is four bytes a pixel
            orientation.to_display(codes).astype(np.uint16, copy=False),
            header,
            pixel_format,
            stated,
            shown=None if shown is None else orientation.to_display(shown).astype(np.bool_, copy=False),
        )
    padding = rendered.padding
    spacing_mm, spacing_at_detector = _spacing(header)
    return Radiograph(
        header=header,
        pixels=_frozen(rendered.grey),
        padding=None if padding is None else _frozen(padding),
        orientation=orientation,
        spacing_mm=spacing_mm,
        spacing_at_detector=spacing_at_detector,
        pixel_aspect=_pixel_aspect(header, spacing_mm),
        display=rendered.display,
    )


def read_header(path: Path, *, undeclared: str = "") -> Dataset:
    """
    Read the header of an image that was not judged; its pixels, which may be damaged, are not read.

    *undeclared*: as of `read`.

    Raises:
        InvalidDataset: not DICOM, a UID by which results refer to the image is missing, or the file meta
            information names another image.
        UnsupportedObject: a result of ours that came back. A report about it would come back in turn.
        StorageUnavailable: the file cannot be read.
    """
    with disable_value_validation():
        ds = open_header(path)
        header = header_of(ds, undeclared=undeclared)
        state_orientation(header)
        _require_identity(header)
        _require_one_identity(ds, header)
        _require_foreign(header)
    return header


def _names_image(path: Path) -> bool:
    """Whether a file that cannot be read whole tells all the same which image it is."""
    try:
        read_header(path)
    except InvalidDataset:
        return False
    except UnsupportedObject:  # a result of ours: it is known which
        pass
    return True


def _require_identity(header: Dataset) -> None:
    for keyword in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not _UID.fullmatch(str(header.get(keyword) or "")):
            raise InvalidDataset(
                f"{keyword} is missing or no UID: results could not refer to the image; resend it",
                names_image=False,
            )


def _require_one_identity(ds: FileDataset, header: Dataset) -> None:
    """The receiver names the file by the C-STORE command's UID: what refers to the other one finds nothing."""
    try:
        named = ds.file_meta.get("MediaStorageSOPInstanceUID")
    except UNPARSABLE as error:
        raise InvalidDataset(
            "the file meta information is malformed (PS3.10 7.1); store it again, or send it again"
        ) from error
    if named and named != header.SOPInstanceUID:
        raise InvalidDataset(
            "the file meta information or the C-STORE command names another SOP Instance UID than the data set "
            "(PS3.10 7.1, PS3.7 9.3.1.1); send the image again from its source"
        )


def _require_foreign(header: Dataset) -> None:
    """A picture of ours that an archive's routing rule sends back is a secondary capture like others."""
    if is_own_result(header):
        raise UnsupportedObject(
            "this is a result of this software, sent back to it; leave results out of the archive's routing rule"
        )


def _require_radiograph(header: Dataset) -> None:
    sop_class = UID(header.SOPClassUID)
    if sop_class not in SOP_CLASSES:
        name = sop_class.name if sop_class in UID_dictionary else "unknown"
        raise UnsupportedObject(f"SOP class is {name}; send one of: {', '.join(SOP_CLASSES.values())}")
    modality = text_of(header, "Modality")
    if modality not in _MODALITIES:
        named = modality if modality in _OTHER_MODALITIES else "unknown"
        raise UnsupportedObject(f"Modality is {named}; send chest radiographs only (CR, DX, RG)")
    photometric = text_of(header, "PhotometricInterpretation")
    if photometric and photometric not in ("MONOCHROME1", "MONOCHROME2"):
        named = photometric if photometric in _OTHER_PHOTOMETRICS else "unknown"
        raise UnsupportedObject(f"Photometric Interpretation is {named}; send MONOCHROME1 or MONOCHROME2")
    if not photometric:
        raise InvalidDataset(
            "Photometric Interpretation is missing: nothing says whether low values are black or white; correct the "
            "header and send again"
        )
    for keyword, what in (("SamplesPerPixel", "greyscale"), ("NumberOfFrames", "single-frame")):
        if text_of(header, keyword) and numbers_of(header, keyword) not in ([0], [1]):
            raise UnsupportedObject(f"{keyword} is not 1; send {what} images only")


def _spacing(header: Dataset) -> tuple[tuple[float, float] | None, bool]:
    """Pixel Spacing is calibrated only where it says so or differs from the detector's (PS3.3 10.7.1.1)."""
    spacing = spacing_pair(header, "PixelSpacing")
    at_detector = spacing_pair(header, "ImagerPixelSpacing")
    if spacing is None:
        return at_detector, at_detector is not None
    calibrated = bool(text_of(header, "PixelSpacingCalibrationType"))
    return spacing, not calibrated and (at_detector is None or _is_same(spacing, at_detector))


def _pixel_aspect(header: Dataset, spacing: tuple[float, float] | None) -> float:
    """Height by width (PS3.3 C.7.6.3.1.7); what no detector has is a mistake, and counts as square."""
    stated = numbers_of(header, "PixelAspectRatio")
    rows, columns = spacing or (stated[:2] if len(stated) == 2 and min(stated) > 0 else (1.0, 1.0))
    aspect = rows / columns
    oblong = not math.isclose(aspect, 1, rel_tol=_ROUNDING)
    return aspect if oblong and 1 / _MOST_OBLONG <= aspect <= _MOST_OBLONG else 1.0


def _is_same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two spacings differ by rounding alone; a correction for magnification is several times more."""
    return all(math.isclose(a, b, rel_tol=_ROUNDING) for a, b in zip(one, other, strict=True))


def _frozen(grid: NDArray[Any]) -> NDArray[Any]:
    own = np.ascontiguousarray(grid)
    own.flags.writeable = False
    return own
