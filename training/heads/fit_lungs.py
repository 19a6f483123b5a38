"""Train the lung decoder on features of a frozen encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

from sgseg_dicom.model.lungs import LungDecoder, lungs_of
from sgseg_dicom.model_records import INPUT_SIZE
from training.heads.encoder import FrozenEncoder, standardised
from training.heads.feature_cache import FilmCache
from training.heads.lung_views import LungFilm, changed_views, load_batch
from training.progress import progress

_ENCODED_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """How long to train, and how fast."""

    epochs: int = 45
    batch: int = 12
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    plain: float = 0.35
    """Share of the batches that show the films as they are."""
    views: int = 6
    """Number of changed views of each film."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """
    One view of every film.

    Attributes:
        features: half precision (N, C, H, W) at strides 4, 8, 16 and 32.
        lungs: bool (N, 2, 224, 224): the patient's right lung, then the left.
    """

    features: list[Tensor]
    lungs: Tensor


def encode_views(
    films: Sequence[LungFilm], encoder: FrozenEncoder, cache: FilmCache, *, views: int
) -> list[View]:
    """
    Encode the films, and *views* changed views of each; every view is kept in *cache*, and taken from there.

    A view of 717 films takes 360 MB, and a minute on two cores.
    """
    made = []
    for number in range(views + 1):
        stored = cache.tensors(f"view-{number}", partial(_encoded, films, encoder, number), mapped=True)
        made.append(View(features=stored["features"], lungs=stored["lungs"]))
    return made


def fit_lungs(views: Sequence[View], places: NDArray[np.int64], schedule: Schedule) -> LungDecoder:
    """Train from scratch on the films at *places*; the first of *views* is the films as they are."""
    torch.manual_seed(schedule.seed)
    rng = np.random.default_rng(schedule.seed)
    decoder = LungDecoder([one.shape[1] for one in views[0].features]).to(memory_format=torch.channels_last)
    steps = schedule.epochs * (len(places) // schedule.batch)
    optimiser = torch.optim.AdamW(
        decoder.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, schedule.learning_rate, total_steps=steps)
    decoder.train()
    for _ in progress(range(schedule.epochs), "lungs"):
        order = rng.permutation(places)
        for start in range(0, len(order) - schedule.batch + 1, schedule.batch):
            view = views[0] if rng.random() < schedule.plain else views[int(rng.integers(1, len(views)))]
            features, lungs = _batch(view, np.sort(order[start : start + schedule.batch]), rng)
            loss = _loss(decoder(features), lungs)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            pace.step()
    return decoder.eval()


@torch.inference_mode()
def dice_of_lungs(decoder: LungDecoder, view: View, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the Dice of each film at *places*, the mean of its two lungs, at 224 x 224 pixels."""
    found = []
    for start in range(0, len(places), 32):
        chosen = torch.from_numpy(places[start : start + 32])
        lungs = lungs_of(decoder([one[chosen].float() for one in view.features]), INPUT_SIZE)
        true = view.lungs[chosen]
        marked = torch.stack([lungs == 1, lungs == 2], dim=1)
        both = (marked & true).sum(dim=(2, 3))
        sizes = (marked.sum(dim=(2, 3)) + true.sum(dim=(2, 3))).clamp(min=1)
        found.append((2 * both / sizes).mean(dim=1).numpy())
    return np.concatenate(found)


def _encoded(films: Sequence[LungFilm], encoder: FrozenEncoder, number: int) -> dict[str, object]:
    generator = torch.Generator().manual_seed(100 + number)
    features: list[list[Tensor]] = [[] for _ in encoder.channels]
    drawn = []
    for start in progress(range(0, len(films), _ENCODED_AT_ONCE), f"view {number}"):
        images, lungs = load_batch(films[start : start + _ENCODED_AT_ONCE])
        if number:
            images, lungs = changed_views(images, lungs, generator)
        for one, of_stride in zip(encoder(standardised(images)), features, strict=True):
            of_stride.append(one.half())
        drawn.append(lungs.bool())
    return {"features": [torch.cat(of_stride) for of_stride in features], "lungs": torch.cat(drawn)}


def _batch(view: View, places: NDArray[np.int64], rng: np.random.Generator) -> tuple[list[Tensor], Tensor]:
    """Take films out of a view; every second batch is mirrored, and its lungs exchanged."""
    chosen = torch.from_numpy(places)
    features = [one[chosen].float() for one in view.features]
    lungs = view.lungs[chosen].float()
    if rng.random() < 0.5:
        features, lungs = [one.flip(-1) for one in features], lungs.flip(-1).flip(1)
    return [one.contiguous(memory_format=torch.channels_last) for one in features], lungs


def _loss(logits: Tensor, lungs: Tensor) -> Tensor:
    """Add cross entropy and soft Dice of each lung, at the size of the logits."""
    wanted = interpolate(lungs, logits.shape[-2:], mode="area")
    marked = logits.sigmoid()
    both = (marked * wanted).sum(dim=(2, 3))
    sizes = marked.sum(dim=(2, 3)) + wanted.sum(dim=(2, 3))
    return binary_cross_entropy_with_logits(logits, wanted) + (1 - (2 * both + 1) / (sizes + 1)).mean()
