"""Choose the image check's limits on good valid images; count good images refused and bad images let through."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.applicability.image_check import ImageCheck, Limits, Sign, signs_of, worst_sign
from sgseg_dicom.preprocess import normalise
from training.data import Item
from training.image_check.corruptions import CROPS, burnt_out, shuffled, turned
from training.image_check.synthetic_negatives import HELD_OUT, LEARNED, draw
from training.progress import progress

LATERAL = "sub-s11357_ses-e20443"
"""The one true lateral of QaTa-COV19; it is in valid."""

NO_LIMITS = Limits(**dict.fromkeys(get_args(Sign), 1e9))
_FLOORS: dict[Sign, float] = {"blank": 0.93, "saturated": 0.5, "inverted": 3.0}
"""
Limits are never below these. Limits of scores are never below 0, where a sign is as likely as not.

Good films of NIH with a white frame reach 2.8 of "inverted"; 1 % of inverted films of five sources stay below 3.4.
"""
_MARGINS: dict[Sign, float] = {"blank": 0.02, "saturated": 0.05}
_MARGIN = 0.25  # log odds
_ALLOWED: dict[Sign, float] = {"not_chest": 0.001, "cut_off": 0.002, "mirrored": 0.003}
"""Share of the good images that a limit may refuse; the limits of other signs may refuse none."""

Signs = dict[Sign, float]
Image = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Halves:
    """Valid items without the lateral, in two parts. No patient is in both."""

    measured: Sequence[Item]
    limits: Sequence[Item]


def halve(items: Sequence[Item], *, measured: int, seed: int) -> Halves:
    """Draw patients until they have *measured* items. The items of the other patients are for the limits."""
    good = [item for item in items if not item.name.startswith(LATERAL)]
    patients = sorted({item.patient for item in good})
    order = np.random.default_rng(seed).permutation(len(patients))
    sizes = Counter(item.patient for item in good)
    reached = np.cumsum([sizes[patients[place]] for place in order])
    chosen = {patients[place] for place in order[: int(np.searchsorted(reached, measured)) + 1]}
    return Halves(
        measured=[item for item in good if item.patient in chosen][:measured],
        limits=[item for item in good if item.patient not in chosen],
    )


def signs_of_images(images: Sequence[Image], image_check: ImageCheck, what: str) -> list[Signs]:
    """Measure the signs of uint8 (224, 224) images as the node does; *what* names the progress bar."""
    return [
        signs_of(normalise(image.astype(np.float32) / np.float32(255)), image_check=image_check)
        for image in progress(images, what)
    ]


def choose_limits(good: Sequence[Signs]) -> Limits:
    """Give the lowest limits that refuse no more of the *good* images than allowed, plus a margin."""
    limits: dict[str, float] = {}
    for sign in get_args(Sign):
        values = sorted((signs[sign] for signs in good), reverse=True)
        least = values[int(_ALLOWED.get(sign, 0) * len(values))] + _MARGINS.get(sign, _MARGIN)
        limits[sign] = round(max(least, _FLOORS.get(sign, 0.0)), 4)
    return Limits(**limits)


def verdicts(signs: Sequence[Signs], limits: Limits) -> dict[str, Any]:
    """Count the images, those let through, and those refused; a refusal counts for the first sign at its limit."""
    found = Counter(worst_sign(each, limits) for each in signs)
    refused = {sign: found[sign] for sign in get_args(Sign) if found[sign]}
    return {"images": len(signs), "let_through": found[None], "refused": refused}


def measure(
    image_check: ImageCheck,
    good: Sequence[Image],
    others: Mapping[str, Sequence[Image]],
    *,
    bad_of_each: int = 200,
    seed: int = 7,
) -> dict[str, Any]:
    """
    Give `verdicts` of the *good* images and of every kind of bad one.

    Args:
        image_check: with its limits.
        good: uint8 (224, 224); the first of them are also corrupted.
        others: pictures without a chest, by their source.
        bad_of_each: number of images of each corruption; of each synthetic kind there are half as many.
        seed: of corruptions and synthetic images.
    """
    bad = dict(_kinds(good[:bad_of_each], np.random.default_rng(seed))) | dict(others)
    return {
        "good": verdicts(signs_of_images(good, image_check, "good"), image_check.limits),
        "bad": {
            kind: verdicts(signs_of_images(images, image_check, kind), image_check.limits)
            for kind, images in bad.items()
        },
    }


def _kinds(good: Sequence[Image], rng: np.random.Generator) -> Iterator[tuple[str, Sequence[Image]]]:
    yield "inverted", [255 - image for image in good]
    yield "turned 90 to the left", [turned(image, 1, mirrored=False) for image in good]
    yield "turned 90 to the right", [turned(image, 3, mirrored=False) for image in good]
    yield "turned 90 and mirrored", [turned(image, 1, mirrored=True) for image in good]
    yield "turned 180", [turned(image, 2, mirrored=False) for image in good]
    yield "upside down, sides kept", [turned(image, 2, mirrored=True) for image in good]
    yield "mirrored", [turned(image, 0, mirrored=True) for image in good]
    for kind, crop in CROPS.items():
        yield kind, [crop(image, rng) for image in good]
    yield "shuffled tiles", [shuffled(image, rng) for image in good]
    yield "burnt out", [burnt_out(image, rng) for image in good]
    yield "blank with grain", [_grainy(image, rng) for image in good]
    for kind, images in draw(LEARNED | HELD_OUT, len(good) // 2, rng).items():
        yield f"drawn {kind}" + (" (held out)" if kind in HELD_OUT else ""), list(images)


def _grainy(image: Image, rng: np.random.Generator) -> Image:
    """Give a flat field with a small slope and the grain of a detector."""
    slope = np.linspace(-20, 20, image.shape[1]) * rng.uniform(-1, 1)
    return np.asarray(
        np.clip(128 + slope + rng.normal(0, rng.uniform(1, 20), image.shape), 0, 255), dtype=np.uint8
    )


def table(figures: Mapping[str, Any]) -> str:
    """Write the figures as a Markdown table."""
    lines = ["| images | number | let through | refused as |", "|---|---|---|---|"]
    for kind, row in {"good": figures["good"], **figures["bad"]}.items():
        signs = ", ".join(f"{sign.replace('_', ' ')} {count}" for sign, count in row["refused"].items())
        passed = f"{row['let_through']} ({row['let_through'] / row['images']:.1%})"
        lines.append(f"| {kind} | {row['images']} | {passed} | {signs or '-'} |")
    return "\n".join(lines)
