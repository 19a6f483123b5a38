"""What the heads of the look learn from: adults' frontal films, their mirror images, laterals and children."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgseg_dicom.model.descriptors import asymmetry_of, content_of
from training.augmentation.augment import augment
from training.augmentation.strength import Strength
from training.data import Item, load_image
from training.evaluation.evaluate import model_input_of
from training.heads.encoder import FrozenEncoder, standardised
from training.heads.feature_cache import Arrays, FeatureCache

Kind = Literal["adult", "lateral", "child"]
STRENGTH = Strength(
    degrees=8.0,
    log_scale=0.15,
    log_aspect=0.12,
    shift=0.05,
    flip=0.0,
    foreign=0.4,
    border=0.2,
    erase=0.15,
)
_AT_ONCE, _IN_A_FILE = 16, 256


@dataclass(frozen=True, kw_only=True, slots=True)
class LookView:
    """
    One film as the heads shall see it.

    Attributes:
        item: the film.
        source, group: where it comes from, and what it shows; for the figures.
        patient: nobody is learned from and measured on at once.
        kind: what it is.
        mirrored: whether it is shown mirrored.
        changed: whether it is turned a little, cropped and of another look.
        learned: whether its licence allows that weights learn from it.
    """

    item: Item
    source: str
    group: str
    patient: str
    kind: Kind
    mirrored: bool = False
    changed: bool = False
    learned: bool = True
    right_way: bool = True
    """False where a person saw that the film itself lies the wrong way round."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Described:
    """Views and their descriptors: content float32 (N, C), asymmetry float32 (N, A)."""

    views: Sequence[LookView]
    content: NDArray[np.float32]
    asymmetry: NDArray[np.float32]


def described(views: Sequence[LookView], encoder: FrozenEncoder, cache: FeatureCache) -> Described:
    """Describe *views*, 256 a file; what *cache* has is taken from there."""
    ways = [STRENGTH, [(view.mirrored, view.changed) for view in views]]
    found = cache.of("look", [view.item for view in views], ways).pieces(
        len(views),
        _IN_A_FILE,
        lambda start, stop: _described(views[start:stop], encoder, seed=start),
        title="look",
    )
    return Described(views=views, content=found["content"], asymmetry=found["asymmetry"])


def _described(views: Sequence[LookView], encoder: FrozenEncoder, *, seed: int) -> Arrays:
    generator = torch.Generator().manual_seed(seed)
    content, asymmetry = [], []
    for start in range(0, len(views), _AT_ONCE):
        images = torch.stack([_image(view, generator) for view in views[start : start + _AT_ONCE]])
        features = encoder(images)
        content.append(content_of(features).numpy())
        asymmetry.append(asymmetry_of(features).numpy())
    return {"content": np.concatenate(content), "asymmetry": np.concatenate(asymmetry)}


def _image(view: LookView, generator: torch.Generator) -> Tensor:
    """Give the network's input (1, 224, 224) of a view."""
    if view.changed:
        pixels = torch.from_numpy(load_image(view.item).astype(np.float32) / 255)[None, None]
        changed, _, _ = augment(
            pixels,
            torch.zeros_like(pixels),
            torch.zeros(1, 6),
            size=pixels.shape[-1],
            strength=STRENGTH,
            generator=generator,
        )
        image = standardised(changed)[0]
    else:
        return torch.from_numpy(np.ascontiguousarray(pixels_of(view)))[None]
    return image.flip(-1) if view.mirrored else image


def pixels_of(view: LookView) -> NDArray[np.float32]:
    """Give the network's input, float32 (224, 224), of a view that is not changed."""
    pixels = model_input_of(view.item).pixels
    return pixels[:, ::-1] if view.mirrored else pixels
