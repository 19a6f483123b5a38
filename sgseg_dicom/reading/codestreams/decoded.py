"""What every decoder of this folder gives, and how it refuses."""

from typing import Any, NamedTuple

from numpy.typing import NDArray

from sgseg_dicom.errors import UndecodablePixels


class Decoded(NamedTuple):
    """
    The values of a codestream, as it says itself.

    Attributes:
        values: integers (rows, columns).
        precision: bits of a value.
        signed: whether the codestream says that values are signed. JPEG, JPEG-LS and RLE cannot say it.
    """

    values: NDArray[Any]
    precision: int
    signed: bool = False


def damaged(name: str, what: str) -> UndecodablePixels:
    """Give the error for a codestream of *name* that is not whole, for the reason *what*."""
    return UndecodablePixels(
        f"the {name} stream is damaged or cut off ({what}): no part of it is judged; send the image again"
    )


def more_components(name: str, count: int) -> UndecodablePixels:
    """Give the error for a codestream in colour."""
    return UndecodablePixels(
        f"the {name} stream has {count} components, the header one sample per pixel; send greyscale images only"
    )
