"""Train the network of the image check (`sgseg_dicom.model.image_check`) on good radiographs and corrupted ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from sgseg_dicom.applicability.poses import CHEST, CUT_OFF, INVERTED, POSES
from sgseg_dicom.inference.network import cpu_has_bf16
from sgseg_dicom.model.image_check import NETWORK_SIZE, ImageCheckNet
from sgseg_dicom.preprocess import shrink
from training.augmentation.augment import augment
from training.augmentation.strength import Strength
from training.image_check.corruptions import CROPS, shuffled
from training.image_check.synthetic_negatives import LEARNED, draw
from training.loop.batches import normalised
from training.progress import progress

_WHOLE, _CROPPED, _SHUFFLED, _OTHER = 48, 12, 6, 14  # images of each kind in a batch
_SYNTHETIC_OF_EACH = 60
_STRENGTH = Strength(
    degrees=10.0, log_scale=0.16, log_aspect=0.12, shift=0.05, log_gamma=0.5, flip=0.0, erase=0.2, noise=0.5
)
_UPRIGHT = 0.5
"""Share of the images that stay upright, or are only mirrored: these two are the hardest to tell apart."""
_INVERTED = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """How long to train, and how fast."""

    epochs: float = 11.0
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    seed: int = 7


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Batch:
    """Images (B, 1, 56, 56); pose (B,) 0 to 7; inverted, chest and cut off (B,), 0 or 1."""

    images: Tensor
    pose: Tensor
    inverted: Tensor
    chest: Tensor
    cut_off: Tensor


def fit_image_check(
    radiographs: NDArray[np.uint8], pictures: NDArray[np.uint8], schedule: Schedule
) -> ImageCheckNet:
    """
    Train from scratch.

    Args:
        radiographs: uint8 (N, 224, 224), upright frontal chests.
        pictures: uint8 (M, 224, 224), without a chest.
        schedule: how long, and how fast.
    """
    torch.manual_seed(schedule.seed)
    network = ImageCheckNet()
    steps = max(2, round(schedule.epochs * len(radiographs) / (_WHOLE + _CROPPED + _SHUFFLED)))
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, schedule.learning_rate, total_steps=steps)
    batches = _batches(_small(radiographs), _small(_others(pictures, schedule.seed)), schedule.seed)
    for _, batch in zip(progress(range(steps), "image check"), batches, strict=False):
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=cpu_has_bf16()):
            logits = network(batch.images)
        _loss(logits.float(), batch).backward()
        optimiser.step()
        pace.step()
    return network.eval()


def _loss(logits: Tensor, batch: _Batch) -> Tensor:
    """Add the losses of the pose (whole chests only), of inversion and cut-off (chests only), and of "is a chest"."""
    whole = (batch.chest == 1) & (batch.cut_off == 0)
    chest = batch.chest == 1
    return (
        cross_entropy(logits[whole, :POSES], batch.pose[whole])
        + binary_cross_entropy_with_logits(logits[chest, INVERTED], batch.inverted[chest])
        + binary_cross_entropy_with_logits(logits[chest, CUT_OFF], batch.cut_off[chest])
        + binary_cross_entropy_with_logits(logits[:, CHEST], batch.chest)
    )


def _batches(radiographs: NDArray[np.uint8], others: NDArray[np.uint8], seed: int) -> Iterator[_Batch]:
    """Give batches without end; random numbers depend on *seed* only."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    crops = tuple(CROPS.values())
    taken = _WHOLE + _CROPPED + _SHUFFLED
    while True:
        order = rng.permutation(len(radiographs))
        for start in range(0, len(order) - taken + 1, taken):
            chests = radiographs[order[start : start + taken]]
            cropped = [crops[rng.integers(len(crops))](image, rng) for image in chests[_WHOLE:-_SHUFFLED]]
            mixed = [shuffled(image, rng) for image in chests[-_SHUFFLED:]]
            rest = others[rng.integers(len(others), size=_OTHER)]
            yield _batch(np.stack([*chests[:_WHOLE], *cropped, *mixed, *rest]), generator)


def _batch(images: NDArray[np.uint8], generator: torch.Generator) -> _Batch:
    count = len(images)
    pixels = torch.from_numpy(images).unsqueeze(1).float() / 255
    pixels, _, _ = augment(
        pixels,
        torch.zeros(count, 1, 1, 1),
        torch.zeros(count, 6),
        size=NETWORK_SIZE,
        strength=_STRENGTH,
        generator=generator,
    )
    drawn = torch.rand(4, count, generator=generator)
    pose = torch.where(
        drawn[0] < _UPRIGHT,
        (drawn[1] < 0.5) * (POSES // 2),
        (drawn[1] * POSES).long().clamp(max=POSES - 1),
    )
    inverted = (drawn[2] < _INVERTED).float()
    posed = torch.stack([_posed(image, int(place)) for image, place in zip(pixels, pose, strict=True)])
    place = torch.arange(count)
    return _Batch(
        images=normalised(posed) * (1 - 2 * inverted[:, None, None, None]),
        pose=pose,
        inverted=inverted,
        chest=(place < _WHOLE + _CROPPED).float(),
        cut_off=(place >= _WHOLE).float(),
    )


def _posed(image: Tensor, pose: int) -> Tensor:
    mirror, quarter_turns = divmod(pose, POSES // 2)
    return torch.rot90(image.flip(2) if mirror else image, quarter_turns, (1, 2))


def _others(pictures: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Give synthetic images and pieces of pictures, the same number of each."""
    rng = np.random.default_rng(seed)
    synthetic = np.concatenate(list(draw(LEARNED, _SYNTHETIC_OF_EACH, rng).values()))
    pieces = [_piece(pictures[place], rng) for place in rng.integers(len(pictures), size=len(synthetic))]
    return np.concatenate([synthetic, np.stack(pieces)])


def _piece(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cut out a window of half to all of the height, and of the width."""
    height, width = (round(side * rng.uniform(0.5, 1)) for side in picture.shape)
    top, left = (
        int(rng.integers(side - part + 1)) for side, part in zip(picture.shape, (height, width), strict=True)
    )
    window = picture[top : top + height, left : left + width].astype(np.float32)
    return np.asarray(shrink(window, picture.shape[0]).round(), dtype=np.uint8)


def _small(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take the mean of 2 x 2 pixels: twice the size of the network, since the augmentation blurs a little."""
    count, rows, columns = images.shape
    means = images.reshape(count, rows // 2, 2, columns // 2, 2).mean(axis=(2, 4), dtype=np.float32)
    return np.asarray(means.round(), dtype=np.uint8)
