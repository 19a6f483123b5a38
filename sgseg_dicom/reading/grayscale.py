"""
Stored bits -> grey from 0 = black to 1 = white, bone bright.

Grey depends on a pixel's stored value alone. So the whole chain (modality LUT, VOI, inversion) runs once over
the at most 65,536 values that Bits Stored allows, and the image is looked up in the result.
"""

from typing import NamedTuple

import numpy as np
from highdicom.pixels import apply_lut, apply_voi_window
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import DigitalXRayImageStorageForProcessing

from sgseg_dicom.errors import UndecodablePixels
from sgseg_dicom.reading.header import first_number, numbers_of, text_of
from sgseg_dicom.reading.pixel_data import PixelFormat
from sgseg_dicom.reading.pixel_padding import touching_the_edge

_RAW_SHARES = (0.005, 0.995)
_NEARLY = 1 / 512  # half a step of 8 bits away from black or white
_USEFUL_SHARE = 0.01
_VOI_FUNCTIONS = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})


class Lut(NamedTuple):
    """A lookup table: the first entry is for *first_mapped* and all below; *most* is white."""

    entries: NDArray[np.int64]
    first_mapped: int
    most: int


class Rendered(NamedTuple):
    """
    Grey of (rows, columns).

    Attributes:
        grey: float32, 0 = black to 1 = white; padding is black.
        padding: bool, True where there is no image, around it; None where that is nowhere.
        stretched: whether the values that occur were stretched, for want of a usable window or table.
    """

    grey: NDArray[np.float32]
    padding: NDArray[np.bool_] | None
    stretched: bool


class Window(NamedTuple):
    """A window and its VOI LUT Function (0028,1056)."""

    centre: float
    width: float
    function: str


def render(
    codes: NDArray[np.uint16],
    header: Dataset,
    pixel_format: PixelFormat,
    *,
    shown: NDArray[np.bool_] | None = None,
) -> Rendered:
    """
    Turn stored bits (rows, columns) into grey.

    Args:
        codes: stored bits.
        header: of the image.
        pixel_format: of *codes*.
        shown: like *codes*, False where a shutter or an undeclared border hides the image: that counts as padding
            (`sgseg_dicom.reading.display_shutter`, `undeclared_borders`).

    Raises:
        UndecodablePixels: every pixel is padding, or the header's rescale has no finite result.
    """
    values = _possible_values(pixel_format)
    is_padding = _padding(values, header, pixel_format)
    seen = codes.ravel() if shown is None else codes[shown]
    counts = np.bincount(seen, minlength=len(values))
    padded = int(counts[is_padding].sum())
    if padded == seen.size:
        raise UndecodablePixels("every pixel has the Pixel Padding Value: there is no image; send it again")
    counts[is_padding] = 0
    with np.errstate(over="ignore", invalid="ignore"):  # looked at below
        of_values, stretched = _grey(values, counts, header)
    grey = of_values.astype(np.float32)
    if not np.isfinite(grey[counts > 0]).all():
        raise UndecodablePixels("Rescale Slope or the window gives no finite grey; correct the header")
    image = np.where(np.isfinite(grey), grey, np.float32(0))[codes]
    padding = None if shown is None else ~shown
    if padded:
        without = is_padding[codes] if padding is None else is_padding[codes] | padding
        padding = touching_the_edge(without)
    if padding is None or not padding.any():
        return Rendered(image, None, stretched)
    image[padding] = 0
    return Rendered(image, padding, stretched)


def _possible_values(pixel_format: PixelFormat) -> NDArray[np.int64]:
    """The value of each code, two's complement where Pixel Representation says so."""
    codes = np.arange(2**pixel_format.bits_stored)
    return np.where(codes < len(codes) // 2, codes, codes - len(codes)) if pixel_format.signed else codes


def _padding(values: NDArray[np.int64], header: Dataset, pixel_format: PixelFormat) -> NDArray[np.bool_]:
    """Pixel Padding Value alone, or all from it to Pixel Padding Range Limit (PS3.3 C.7.5.1.1.2)."""
    ends = numbers_of(header, "PixelPaddingValue")[:1]
    if not ends:
        return np.zeros(len(values), dtype=np.bool_)
    ends += numbers_of(header, "PixelPaddingRangeLimit")[:1]
    # Some write it unsigned where the pixels are signed, or the other way round.
    span = 2**pixel_format.bits_allocated
    stated = [int(end) % span for end in ends]
    if pixel_format.signed:
        stated = [end - span if end >= span // 2 else end for end in stated]
    padded: NDArray[np.bool_] = (values >= min(stated)) & (values <= max(stated))
    return padded


def _grey(
    values: NDArray[np.int64], counts: NDArray[np.int64], header: Dataset
) -> tuple[NDArray[np.float64], bool]:
    """Give the grey of each value, and whether it is stretched."""
    measured = _after_modality(values, header)
    grey = _after_voi(measured, header)
    stretched = grey is None or not _is_useful(grey, counts)
    if grey is None or stretched:
        grey = _stretched(measured, counts, header)
    return 1 - grey if is_inverted(header) else grey, stretched


def _after_modality(values: NDArray[np.int64], header: Dataset) -> NDArray[np.float64]:
    lut = first_lut(header, "ModalityLUTSequence")
    if lut:
        return apply_lut(values, lut.entries, lut.first_mapped).astype(np.float64)
    slope = first_number(header, "RescaleSlope") or 1.0
    intercept = first_number(header, "RescaleIntercept") or 0.0
    return np.asarray(values * slope + intercept, dtype=np.float64)


def _after_voi(measured: NDArray[np.float64], header: Dataset) -> NDArray[np.float64] | None:
    """The first VOI LUT, else the first window (PS3.3 C.11.2); None where neither is usable."""
    lut = first_lut(header, "VOILUTSequence")
    if lut:
        looked_up = apply_lut(np.rint(measured).astype(np.int64), lut.entries, lut.first_mapped)
        return np.clip(looked_up / lut.most, 0, 1)
    window = window_of(header)
    if window is None:
        return None
    with np.errstate(
        over="ignore"
    ):  # far below a SIGMOID's centre exp() is infinite, and grey 0, as it should be
        return np.asarray(apply_voi_window(measured, *window), dtype=np.float64)


def window_of(header: Dataset) -> Window | None:
    """Give the first window; None where there is none that PS3.3 C.11.2.1.2 and C.11.2.1.3 allow."""
    centre, width = first_number(header, "WindowCenter"), first_number(header, "WindowWidth")
    stated = text_of(header, "VOILUTFunction")
    function = stated if stated in _VOI_FUNCTIONS else "LINEAR"
    if centre is None or width is None or width <= (1 if function == "LINEAR" else 0):
        return None
    return Window(centre, width, function)


def _is_useful(grey: NDArray[np.float64], counts: NDArray[np.int64]) -> bool:
    """Whether a hundredth of the pixels is neither black nor white: else the VOI is of another image."""
    between = (grey > _NEARLY) & (grey < 1 - _NEARLY)
    return bool(counts[between].sum() >= _USEFUL_SHARE * counts.sum())


def _stretched(
    measured: NDArray[np.float64], counts: NDArray[np.int64], header: Dataset
) -> NDArray[np.float64]:
    """
    From the least to the greatest value that occurs.

    A raw image (FOR PROCESSING) has dead pixels, and direct exposure far above the anatomy: half a per cent
    is left out at either end. Attenuation is exponential: beam intensities (LIN, sign 1) become logarithms.
    """
    shares = (0.0, 1.0)
    if _is_raw(header):
        shares = _RAW_SHARES
        if text_of(header, "PixelIntensityRelationship") == "LIN" and _intensity_sign(header) == 1:
            measured = np.log1p(np.maximum(measured, 0))
    low, high = _quantiles(measured, counts, shares)
    return np.clip((measured - low) / (high - low), 0, 1) if high > low else np.zeros_like(measured)


def _quantiles(
    measured: NDArray[np.float64], counts: NDArray[np.int64], shares: tuple[float, float]
) -> tuple[float, float]:
    order = np.argsort(measured, kind="stable")
    order = order[counts[order] > 0]
    below = np.cumsum(counts[order])
    low, high = measured[order[np.searchsorted(below, np.array(shares) * below[-1])]]
    return float(low), float(high)


def is_inverted(header: Dataset) -> bool:
    """
    Whether the lowest value is to be white.

    MONOCHROME1 says so (PS3.3 C.7.6.3.1.2); so does Presentation LUT Shape INVERSE, which in an image is no
    second inversion but "to account for the value of Photometric Interpretation" (C.8.11.3). Where the two
    contradict each other, and in a raw image, that is not made for display, the physics decide if they are
    known: Pixel Intensity Relationship Sign 1 means that bone has low values. Else one "inverted" is enough.
    """
    stated = {text_of(header, "PhotometricInterpretation") == "MONOCHROME1"}
    shape = text_of(header, "PresentationLUTShape")
    if shape in ("IDENTITY", "INVERSE"):
        stated.add(shape == "INVERSE")
    sign = _intensity_sign(header)
    if sign and (len(stated) == 2 or _is_raw(header)):
        return sign == 1
    return True in stated


def _is_raw(header: Dataset) -> bool:
    return (
        header.SOPClassUID == DigitalXRayImageStorageForProcessing
        or text_of(header, "PresentationIntentType") == "FOR PROCESSING"
    )


def _intensity_sign(header: Dataset) -> int | None:
    numbers = numbers_of(header, "PixelIntensityRelationshipSign")
    return int(numbers[0]) if numbers and numbers[0] in (1, -1) else None


def first_lut(header: Dataset, keyword: str) -> Lut | None:
    """Give the first item of a Modality or VOI LUT Sequence (PS3.3 C.11.1.1); None where it is unusable."""
    items = header.get(keyword)
    descriptor = numbers_of(items[0], "LUTDescriptor") if items else []
    data = items[0].get("LUTData") if items else None
    if len(descriptor) != 3 or not data:
        return None
    count, first_mapped, bits = (int(number) for number in descriptor)
    count = count % 2**16 or 2**16  # 0 stands for 65,536
    if isinstance(data, bytes):
        # 8-bit entries may be packed two to a word, or have a word each.
        entries = np.frombuffer(data[: len(data) // 2 * 2], "u1" if len(data) < 2 * count else "<u2")
    else:
        entries = np.atleast_1d(np.asarray(data)) % 2**16
    if first_mapped >= 2**15 and text_of(header, "PixelRepresentation") == "1":
        first_mapped -= 2**16  # written as US where the pixels are signed
    entries = entries[:count].astype(np.int64)
    return Lut(entries, first_mapped, _most(entries, bits))


def _most(entries: NDArray[np.int64], bits: int) -> int:
    """
    Give the entry that is white: the greatest of so many bits.

    Some write 16 where their entries have 12: a table that leaves three quarters of the greys unused means fewer.
    """
    stated = bits if 0 < bits <= 16 else 16
    needed = int(entries.max(initial=0)).bit_length()
    return int(2 ** (needed if 0 < needed <= stated - 2 else stated) - 1)
