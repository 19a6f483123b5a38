"""
Does the image itself look like an upright frontal chest radiograph, right way round, not inverted, all there?

What the header says was asked before, in `applicability`. Here the pixels of the standard display are asked:
plain statistics for blank and saturated images, a tiny network (`sgseg_dicom.model.image_check`) for the rest. A true
lateral is caught by the header only: no lateral was at hand to learn from.
"""

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.records import ModelInput

Sign = Literal["blank", "saturated", "not_chest", "inverted", "rotated", "upside_down", "cut_off", "mirrored"]
"""What can be wrong with an image, in the order in which it is asked."""

_BLOCK = 16
"""Side of the blocks, in pixels, whose means tell a picture from noise: 14 x 14 of them."""
_AT_THE_END = 0.004
"""Share of the range from darkest to brightest that counts as either: one step of 8 bits."""

SURE_OF_SIDE = 2.5
"""
Natural log odds against "mirrored" from which the image tells its sides: at most 1 % of mirrored films reach it.

Measured on 2,914 films (QaTa-COV19 valid, normals valid, JSRT, NIH, Cohen) and their mirror images: 0.96 % of the
mirrored ones reach it (of 1,485 films from outside of QaTa-COV19 0.27 %), and 87.3 % of the others.
"""

_TURNED = (
    "shown as Patient Orientation says, or as it is stored where that is absent, {looks}; correct the image or its "
    "Patient Orientation at the modality and send again"
)
_REASONS: dict[Sign, tuple[str, str]] = {
    "blank": ("blank", "the image shows nothing but noise or a gradient; look at the original and send that"),
    "saturated": (
        "saturated",
        "most of the image is plain black or plain white; look at the original, correct its window and send again",
    ),
    "not_chest": (
        "not-a-chest-image",
        "the image does not look like a frontal chest radiograph; send one, or judge it by eye alone",
    ),
    "inverted": (
        "inverted",
        "bone looks dark and air bright; correct Photometric Interpretation or Presentation LUT Shape and "
        "send again",
    ),
    "rotated": ("rotated-image", _TURNED.format(looks="the image lies on its side")),
    "upside_down": ("upside-down", _TURNED.format(looks="the image stands on its head")),
    "cut_off": (
        "cut-off",
        "a part of the lungs seems to be outside the image; send the whole image, or judge this one by eye alone",
    ),
    "mirrored": (
        "mirrored",
        _TURNED.format(
            looks="the image looks mirrored (or the patient has situs inversus: judge it by eye alone)"
        ),
    ),
}
"""What is refused: the reason's word, and its text with the cure."""


class Seen(NamedTuple):
    """
    What the network sees in an image: natural log odds, above 0 where more likely than not.

    Each speaks of the case that the ones before it do not hold: a pose is asked of a chest only.
    """

    not_chest: float
    inverted: float
    rotated: float
    upside_down: float
    cut_off: float
    mirrored: float


class Limits(BaseModel):
    """
    Values from which an image is refused; they belong to one version of the network's weights.

    Attributes:
        blank: of `shapelessness`, 0 to 1.
        saturated: of `saturation`, 0 to 1.
        not_chest, inverted, rotated, upside_down, cut_off, mirrored: of `Seen`, natural log odds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    blank: float
    saturated: float
    not_chest: float
    inverted: float
    rotated: float
    upside_down: float
    cut_off: float
    mirrored: float


class Viewer(Protocol):
    """What `sgseg_dicom.model.image_check` offers."""

    limits: Limits

    def __call__(self, pixels: NDArray[np.float32]) -> Seen:
        """Look at float32 (224, 224), standard display, mean 0 and standard deviation 1."""
        ...


def require_upright_chest(model_input: ModelInput, *, viewer: Viewer, side_is_stated: bool = True) -> None:
    """
    Refuse what does not look like an upright, whole, frontal chest radiograph in its standard display.

    Where the header says nothing of the sides (not *side_is_stated*), the image must tell them surely.

    Raises:
        NotApplicable: the reason is "blank", "saturated", "not-a-chest-image", "inverted", "rotated-image",
            "upside-down", "cut-off", "mirrored" or "side-unknown".
    """
    signs = signs_of(model_input.pixels, viewer=viewer, padding=model_input.padding)
    sign = worst_sign(signs, viewer.limits)
    if sign is not None:
        reason, text = _REASONS[sign]
        raise NotApplicable(text, reason=reason)
    if not side_is_stated and signs["mirrored"] > -SURE_OF_SIDE:
        raise NotApplicable(
            "no orientation, view or laterality is stated, and the image does not tell surely which side is which; "
            "state Patient Orientation at the modality and send again, or judge it by eye alone",
            reason="side-unknown",
        )


def signs_of(
    pixels: NDArray[np.float32], *, viewer: Viewer, padding: NDArray[np.bool_] | None = None
) -> dict[Sign, float]:
    """Measure every sign of float32 (224, 224), in the order in which it is asked; *padding* is no image."""
    seen = viewer(pixels)
    return {
        "blank": shapelessness(pixels),
        "saturated": saturation(pixels if padding is None or padding.all() else pixels[~padding]),
        "not_chest": seen.not_chest,
        "inverted": seen.inverted,
        "rotated": seen.rotated,
        "upside_down": seen.upside_down,
        "cut_off": seen.cut_off,
        "mirrored": seen.mirrored,
    }


def worst_sign(signs: dict[Sign, float], limits: Limits) -> Sign | None:
    """Give the first sign that reaches its limit, None where none does."""
    return next((sign for sign, value in signs.items() if value >= getattr(limits, sign)), None)


def shapelessness(pixels: NDArray[np.float32]) -> float:
    """
    Give the share, 0 to 1, of the variance that is no shape: finer than a block, or a smooth gradient.

    A gradient is a polynomial of second degree over the image.
    """
    rows, columns = (side // _BLOCK for side in pixels.shape)
    blocks = pixels.reshape(rows, _BLOCK, columns, _BLOCK).mean(axis=(1, 3), dtype=np.float64)
    y, x = (axis.ravel() for axis in np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j])
    smooth = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)
    fitted = smooth @ np.linalg.lstsq(smooth, blocks.ravel(), rcond=None)[0]
    shape = float(np.square(blocks.ravel() - fitted).mean())
    total = float(pixels.var(dtype=np.float64))
    return 1 - shape / total if total > 0 else 1.0


def saturation(pixels: NDArray[np.float32]) -> float:
    """Give the share of pixels (of any shape), 0 to 1, that are as dark or as bright as the image has them."""
    darkest, brightest = float(pixels.min()), float(pixels.max())
    margin = _AT_THE_END * (brightest - darkest)
    return float(((pixels <= darkest + margin) | (pixels >= brightest - margin)).mean())
