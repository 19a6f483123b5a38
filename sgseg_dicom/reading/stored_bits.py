"""Decoded values -> the stored bits of each pixel, where stream and header agree on what a value is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.errors import UndecodablePixels
from sgseg_dicom.reading.codestreams.decoded import Decoded

_OVERSHOOT = 1 / 16
"""Share of the range by which lossy coding can leave it."""


def stored_bits_of(
    decoded: Decoded, *, bits_stored: int, high_bit: int, signed: bool, lossy: bool
) -> NDArray[np.uint16]:
    """
    Give the Bits Stored of each value of a codestream; of a negative one the two's complement.

    The codestream is right about itself: about how many bits its values have, and, in JPEG 2000, about their sign.
    Values that do not fit into Bits Stored are never cut to fit.

    Raises:
        UndecodablePixels: the header contradicts the codestream, so that nobody knows what the values mean.
    """
    values = _with_sign(decoded, bits_stored=bits_stored, signed=signed)
    shift = high_bit + 1 - bits_stored
    if shift > 0 and decoded.precision == high_bit + 1:
        values = values >> shift  # High Bit elsewhere than PS3.5 8.1.1 has it; older editions let it
    low, high = (
        (-(1 << bits_stored - 1), (1 << bits_stored - 1) - 1) if signed else (0, (1 << bits_stored) - 1)
    )
    least, greatest = (int(values.min()), int(values.max())) if values.size else (low, high)
    slack = int(_OVERSHOOT * (high - low)) if lossy else 0
    if least < low - slack or greatest > high + slack:
        raise UndecodablePixels(
            f"the codestream has values from {least} to {greatest}, which do not fit into Bits Stored "
            f"{bits_stored} ({'signed' if signed else 'unsigned'}); correct Bits Stored or Pixel Representation"
        )
    if least < low or greatest > high:
        values = np.clip(values, low, high)  # an overshoot is white; cut to Bits Stored it would be black
    bits = values.astype(np.uint16, copy=False)
    return bits & np.uint16((1 << bits_stored) - 1) if signed and bits_stored < 16 else bits


def _with_sign(decoded: Decoded, *, bits_stored: int, signed: bool) -> NDArray[Any]:
    """
    Read unsigned values as two's complement where the header says signed: JPEG knows no sign (PS3.5 8.2.1).

    Some encoders code the Bits Stored alone, some extend the sign to all bits of the codestream.
    """
    values = decoded.values
    if not signed or decoded.signed or not values.size:
        return values
    greatest = int(values.max())
    if decoded.precision < bits_stored and greatest >> (decoded.precision - 1):
        raise UndecodablePixels(
            f"Bits Stored is {bits_stored} and Pixel Representation signed, the codestream has {decoded.precision} "
            "bits without a sign: which values are negative is unknown; correct the header"
        )
    if greatest >> 16:
        raise UndecodablePixels(
            f"the codestream has values up to {greatest} in {decoded.precision} bits without a sign, more than the "
            f"16 bits that can be allocated; Bits Stored is {bits_stored}: correct the header, or send 16 bits"
        )
    spare = 16 - (decoded.precision if greatest >> bits_stored else bits_stored)
    return (values.astype(np.uint16) << spare).view(np.int16) >> spare
