"""Films with lung masks -> what the lung decoder learns from: the film itself, and changed views of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from sgseg_dicom.model_records import INPUT_SIZE, LEFT_LUNG, RIGHT_LUNG
from training.augmentation.augment import augment
from training.augmentation.strength import Strength
from training.data import Item, load_image

STRENGTH = Strength(
    degrees=15.0,
    log_scale=0.25,
    log_aspect=0.15,
    shift=0.08,
    log_gamma=0.5,
    flip=0.0,  # here, with the lungs exchanged
    foreign=0.5,
    border=0.25,
    erase=0.25,
)
_WHITE = 0.4
"""Share of the films that get a drawn consolidation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LungFilm:
    """A film, and the lungs that somebody drew on it: 1 the PATIENT's right lung, 2 the left, 0 elsewhere."""

    item: Item
    lungs: Path
    source: str


def load_lungs(film: LungFilm) -> Tensor:
    """Load the drawn lungs, bool (2, 224, 224): the patient's right one, then the left."""
    with Image.open(film.lungs) as image:
        drawn = np.asarray(image.convert("L").resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.NEAREST))
    return torch.from_numpy(np.stack([drawn == RIGHT_LUNG, drawn == LEFT_LUNG]))


def digest_of_drawn(films: Sequence[LungFilm]) -> str:
    """Give the sha256 over the drawn lungs."""
    digest = hashlib.sha256()
    for film in films:
        digest.update(film.lungs.read_bytes())
    return digest.hexdigest()


def load_batch(films: Sequence[LungFilm]) -> tuple[Tensor, Tensor]:
    """Load images, float32 (B, 1, 224, 224) from 0 to 1, and lungs, float32 (B, 2, 224, 224)."""
    images = np.stack([load_image(film.item) for film in films]).astype(np.float32) / 255
    return torch.from_numpy(images).unsqueeze(1), torch.stack([load_lungs(film) for film in films]).float()


def changed_views(images: Tensor, lungs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """
    Mirror, whiten, turn, crop and change the look of images (B, 1, 224, 224) and their lungs (B, 2, 224, 224).

    What another hospital sends is so: portable films, turned, cut, of another processing. A white lung is still lung.
    """
    flip = torch.rand(len(images), generator=generator)[:, None, None, None] < 0.5
    images = torch.where(flip, images.flip(-1), images)
    lungs = torch.where(flip, lungs.flip(-1).flip(1), lungs)
    images = torch.stack(
        [_whitened(image, pair, generator) for image, pair in zip(images, lungs, strict=True)]
    )
    masks = torch.cat((lungs.amax(dim=1, keepdim=True), lungs), dim=1)
    images, masks, _ = augment(
        images,
        masks,
        torch.zeros(len(images), 6),
        size=INPUT_SIZE,
        strength=STRENGTH,
        generator=generator,
    )
    return images, (masks[:, 1:] >= 0.5).float()


def _whitened(image: Tensor, lungs: Tensor, generator: torch.Generator) -> Tensor:
    """Lay smooth opacities over the lungs (2, H, W) of some images (1, H, W), up to one that is wholly white."""

    def draw() -> float:
        return float(torch.rand(1, generator=generator))

    if draw() > _WHITE:
        return image
    side = image.shape[-1]
    clouds = interpolate(torch.rand(1, 1, 4, 4, generator=generator), (side, side), mode="bicubic")[0]
    opacity = torch.sigmoid((clouds - (0.35 + 0.4 * draw())) * 12)
    one_lung = draw() < 0.5
    opacity = (
        opacity.clamp(min=draw()) * lungs[int(draw() < 0.5)] if one_lung else opacity * lungs.amax(dim=0)
    )
    opacity = avg_pool2d(opacity[None], 9, stride=1, padding=4)[0]
    white = torch.quantile(image, 0.7 + 0.2 * draw())
    return image * (1 - 0.9 * opacity) + white * 0.9 * opacity
