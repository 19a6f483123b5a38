"""
Stored bits -> grey from 0 = black to 1 = white, bone bright.

Grey depends on a pixel's stored value alone. So the whole chain (modality LUT, VOI, inversion) runs once over the at
most 65,536 values that Bits Stored allows. The result is a table, in which each pixel finds its grey.
"""

from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
from highdicom.pixels import apply_lut, apply_voi_window
from numpy.typing import NDArray
from pydicom import Dataset

from sgseg_dicom.attributes import numbers_of, text_of
from sgseg_dicom.errors import UndecodablePixels
from sgseg_dicom.reading.display_settings import intensity_sign, is_raw
from sgseg_dicom.reading.pixel_data import PixelFormat
from sgseg_dicom.reading.pixel_padding import touching_the_edge
from sgseg_dicom.records import DisplaySettings, LookupTable, Rescale, Window
from sgseg_dicom.row_blocks import row_blocks

T = TypeVar("T", bound=np.generic)
_RAW_SHARES = (0.005, 0.995)
_NEARLY = 1 / 512  # half a step of 8 bits away from black or white
_USEFUL_SHARE = 0.01


class Rendered(NamedTuple):
    """
    Grey of (rows, columns).

    Attributes:
        grey: float32, contiguous, 0 = black to 1 = white; padding is black.
        padding: bool, True where there is no image, around it; None where that is nowhere.
        display: the settings as they were applied.
    """

    grey: NDArray[np.float32]
    padding: NDArray[np.bool_] | None
    display: DisplaySettings


def render(
    codes: NDArray[np.uint16],
    header: Dataset,
    pixel_format: PixelFormat,
    display: DisplaySettings,
    *,
    shown: NDArray[np.bool_] | None = None,
) -> Rendered:
    """
    Turn stored bits (rows, columns) into grey. Values are stretched where no usable window or table is stated.

    Args:
        codes: stored bits.
        header: of the image.
        pixel_format: of *codes*.
        display: what the image states.
        shown: like *codes*, False where a shutter or an undeclared border hides the image: that counts as padding
            (`sgseg_dicom.reading.display_shutter`, `undeclared_borders`).

    Raises:
        UndecodablePixels: every pixel is padding, or the header's rescale has no finite result.
    """
    values = _possible_values(pixel_format)
    is_padding = _padding(values, header, pixel_format)
    counts = _counts(codes, shown, len(values))
    padded = int(counts[is_padding].sum())
    if padded == counts.sum():
        raise UndecodablePixels("every pixel has the Pixel Padding Value: there is no image; send it again")
    counts[is_padding] = 0
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        of_values, display = _grey(values, counts, header, display)
    grey = of_values.astype(np.float32)
    if not np.isfinite(grey[counts > 0]).all():
        raise UndecodablePixels("Rescale Slope or the window gives no finite grey; correct the header")
    padding = None if shown is None else ~shown
    if padded:
        without = _looked_up(is_padding, codes)
        padding = touching_the_edge(
            without if padding is None else np.logical_or(without, padding, out=without)
        )
    image = _looked_up(np.where(np.isfinite(grey), grey, np.float32(0)), codes)
    if padding is None or not padding.any():
        return Rendered(image, None, display)
    image[padding] = 0
    return Rendered(image, padding, display)


def _counts(codes: NDArray[np.uint16], shown: NDArray[np.bool_] | None, length: int) -> NDArray[np.intp]:
    """Count how often each code occurs in what is shown; numpy makes an int64 of each code that it counts."""
    counts = np.zeros(length, dtype=np.intp)
    for rows in row_blocks(codes.shape):
        block = codes[rows]
        counts += np.bincount(block.ravel() if shown is None else block[shown[rows]], minlength=length)
    return counts


def _looked_up(table: NDArray[T], codes: NDArray[np.uint16]) -> NDArray[T]:
    """Give table[codes], contiguous; numpy makes an int64 of each code that it looks up."""
    found = np.empty(codes.shape, dtype=table.dtype)
    for rows in row_blocks(codes.shape):
        found[rows] = table[codes[rows]]
    return found


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
    values: NDArray[np.int64], counts: NDArray[np.int64], header: Dataset, display: DisplaySettings
) -> tuple[NDArray[np.float64], DisplaySettings]:
    """Give the grey of each value, and the settings without a VOI that is of no use."""
    measured = _after_modality(values, display.modality)
    grey = _after_voi(measured, display.voi)
    if grey is None or not _is_useful(grey, counts):
        display = replace(display, voi=None)
        grey = _stretched(measured, counts, header)
    return 1 - grey if display.inverted else grey, display


def _after_modality(values: NDArray[np.int64], modality: LookupTable | Rescale) -> NDArray[np.float64]:
    if isinstance(modality, LookupTable):
        return apply_lut(values, modality.entries, modality.first_mapped).astype(np.float64)
    return np.asarray(values * modality.slope + modality.intercept, dtype=np.float64)


def _after_voi(measured: NDArray[np.float64], voi: LookupTable | Window | None) -> NDArray[np.float64] | None:
    if isinstance(voi, LookupTable):
        looked_up = apply_lut(np.rint(measured).astype(np.int64), voi.entries, voi.first_mapped)
        return np.clip(looked_up / voi.white, 0, 1)
    if voi is None:
        return None
    with np.errstate(
        over="ignore"
    ):  # far below a SIGMOID's centre exp() is infinite, and grey 0, as it should be
        return np.asarray(apply_voi_window(measured, *voi), dtype=np.float64)


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
    if is_raw(header):
        shares = _RAW_SHARES
        if text_of(header, "PixelIntensityRelationship") == "LIN" and intensity_sign(header) == 1:
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
