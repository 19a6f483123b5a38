"""
The image check: does the image look like an upright, whole, frontal chest radiograph, not mirrored and not inverted?

`sgseg_dicom.applicability.header_rules` checks the header before. The image check looks at the pixels in the standard
display. Plain statistics find blank and saturated images; a small network (`sgseg_dicom.model.image_check`) finds the
rest. Laterals, children and most mirrored images are found by the segmenter's own features
(`sgseg_dicom.applicability.image_look`).
"""

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.model_records import ModelInput
from sgseg_dicom.refusal_reasons import RefusalReason

Sign = Literal["blank", "saturated", "not_chest", "inverted", "rotated", "upside_down", "cut_off", "mirrored"]
"""What can be wrong with an image. The first sign in this order that reaches its limit is the reason."""

_BLOCK = 16
"""Side of a block, in pixels; there are 14 x 14. Their means tell a picture from noise."""
_END_SHARE = 0.004
"""Share of the range of values that counts as its darkest or brightest end: one step of 8 bits."""

SURE_OF_SIDE = 2.5
"""
Natural log odds against "mirrored" from which the image tells its sides: at most 1 % of mirrored films reach it.

Measured on 2,914 films (QaTa-COV19 valid, normals valid, JSRT, NIH, Cohen) and their mirror images: 0.96 % of the
mirrored ones reach it (of 1,486 films from outside of QaTa-COV19 0.27 %), and 87.1 % of the others.
"""

LUNGS_OUTWEIGH = 3.0
"""Natural log odds of "not a chest" that two lungs in the image outweigh."""

_TURNED = (
    "shown as Patient Orientation says, or as it is stored where that is absent, {looks}; correct the image or its "
    "Patient Orientation at the modality and send again"
)
_REASONS: dict[Sign, tuple[RefusalReason, str]] = {
    "blank": (
        RefusalReason.BLANK,
        "the image shows nothing but noise or a gradient; look at the original and send that",
    ),
    "saturated": (
        RefusalReason.SATURATED,
        "most of the image is plain black or plain white; look at the original, correct its window and send again",
    ),
    "not_chest": (
        RefusalReason.NOT_A_CHEST_IMAGE,
        "the image does not look like a frontal chest radiograph; send one, or judge it by eye alone",
    ),
    "inverted": (
        RefusalReason.INVERTED,
        "bone looks dark and air bright; correct Photometric Interpretation or Presentation LUT Shape and "
        "send again",
    ),
    "rotated": (RefusalReason.ROTATED_IMAGE, _TURNED.format(looks="the image lies on its side")),
    "upside_down": (RefusalReason.UPSIDE_DOWN, _TURNED.format(looks="the image stands on its head")),
    "cut_off": (
        RefusalReason.CUT_OFF,
        "a part of the lungs seems to be outside the image; send the whole image, or judge this one by eye alone",
    ),
    "mirrored": (
        RefusalReason.MIRRORED,
        _TURNED.format(
            looks="the image looks mirrored (or the patient has situs inversus: judge it by eye alone)"
        ),
    ),
}
"""Why an image is refused: the code of the reason, and a text that says what to do."""


class ImageCheckScores(NamedTuple):
    """
    Scores of one image, as natural log odds: above 0 where the sign is more likely than not.

    Each score assumes that the signs before it are absent: the pose scores, for example, assume a chest.
    """

    not_chest: float
    inverted: float
    rotated: float
    upside_down: float
    cut_off: float
    mirrored: float


class Limits(BaseModel):
    """
    Values from which on an image is refused. They belong to one version of the network's weights.

    Attributes:
        blank: of `shapelessness`, 0 to 1.
        saturated: of `saturation`, 0 to 1.
        not_chest, inverted, rotated, upside_down, cut_off, mirrored: of `ImageCheckScores`, natural log odds.
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


class ImageCheck(Protocol):
    """What `sgseg_dicom.model.image_check` offers: pixels in, scores out; safe to call from many threads."""

    limits: Limits

    def __call__(self, pixels: NDArray[np.float32]) -> ImageCheckScores:
        """Score float32 (224, 224), standard display, mean 0 and standard deviation 1."""
        ...


def require_upright_chest(
    model_input: ModelInput,
    *,
    image_check: ImageCheck,
    sides_are_stated: bool,
    lungs_are_seen: bool = False,
) -> float:
    """
    Refuse what does not look like an upright, whole, frontal chest radiograph in its standard display.

    Where the header says nothing of the sides (not *sides_are_stated*), the image must tell them surely. Where the
    segmenter sees both lungs (*lungs_are_seen*), the image is a chest unless "not a chest" is nearly sure.

    Returns:
        natural log odds of "mirrored", for those who know more of the sides.

    Raises:
        NotApplicable: the reason is "blank", "saturated", "not-a-chest-image", "inverted", "rotated-image",
            "upside-down", "cut-off", "mirrored" or "side-unknown".
    """
    signs = signs_of(model_input.pixels, image_check=image_check, padding=model_input.padding)
    if lungs_are_seen:
        signs["not_chest"] -= LUNGS_OUTWEIGH
    sign = worst_sign(signs, image_check.limits)
    if sign is not None:
        reason, text = _REASONS[sign]
        raise NotApplicable(text, reason=reason)
    if not sides_are_stated and signs["mirrored"] > -SURE_OF_SIDE:
        raise NotApplicable(
            "no orientation, view or laterality is stated, and the image does not tell surely which side is which; "
            "state Patient Orientation at the modality and send again, or judge it by eye alone",
            reason=RefusalReason.SIDE_UNKNOWN,
        )
    return signs["mirrored"]


def signs_of(
    pixels: NDArray[np.float32], *, image_check: ImageCheck, padding: NDArray[np.bool_] | None = None
) -> dict[Sign, float]:
    """Measure every sign of float32 (224, 224), in the order of `Sign`; pixels in *padding* are not measured."""
    scores = image_check(pixels)
    return {
        "blank": shapelessness(pixels),
        "saturated": saturation(pixels if padding is None or padding.all() else pixels[~padding]),
        "not_chest": scores.not_chest,
        "inverted": scores.inverted,
        "rotated": scores.rotated,
        "upside_down": scores.upside_down,
        "cut_off": scores.cut_off,
        "mirrored": scores.mirrored,
    }


def worst_sign(signs: dict[Sign, float], limits: Limits) -> Sign | None:
    """Give the first sign that reaches its limit; None: no sign does."""
    return next((sign for sign, value in signs.items() if value >= getattr(limits, sign)), None)


def shapelessness(pixels: NDArray[np.float32]) -> float:
    """
    Give the share, 0 to 1, of the variance that shows no shapes: detail finer than a block, and smooth gradients.

    A smooth gradient is a polynomial of second degree over the image.
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
    """Give the share of the pixels, 0 to 1, at the darkest or brightest value of the image; any shape."""
    darkest, brightest = float(pixels.min()), float(pixels.max())
    margin = _END_SHARE * (brightest - darkest)
    return float(((pixels <= darkest + margin) | (pixels >= brightest - margin)).mean())
