"""Items in memory -> augmented batches. Random numbers depend only on seed, epoch and the place of the batch."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from sgseg_dicom.preprocess import FLAT
from training.augmentation.augment import augment
from training.augmentation.strength import Strength
from training.data import Item, load_image, load_mask
from training.data.borders_removed import without_border
from training.teacher_predictions import TeacherPredictions

VALID_BATCH = 16
"""Images of a batch that is measured."""


class Batch(NamedTuple):
    """
    The input of one training step. It is a tuple, since lightning does not move frozen dataclasses to a device.

    Attributes:
        images: float32 (B, 1, size, size), mean 0 and standard deviation 1 over each image.
        masks: float32 (B, 1, size, size), 0 or 1.
        zones: float32 (B, 6), patient laterality.
        teacher_masks, teacher_zones: probabilities of the same, predicted by teachers; None: there are no teachers.
    """

    images: Tensor
    masks: Tensor
    zones: Tensor
    teacher_masks: Tensor | None = None
    teacher_zones: Tensor | None = None


class Share(NamedTuple):
    """The part of every batch that one of several devices gets."""

    rank: int = 0
    devices: int = 1


class LoadedItems:
    """
    All pixels of some items in memory, without undeclared borders, as in the node.

    100 kB for each item, and 50 kB more with teacher predictions.
    """

    def __init__(self, items: Sequence[Item], teacher_predictions: TeacherPredictions | None = None) -> None:
        self.items = tuple(items)
        pairs = [without_border(load_image(item), load_mask(item)) for item in items]
        self.images: NDArray[np.uint8] = np.stack([image for image, _ in pairs])
        self.masks: NDArray[np.bool_] = np.stack([mask for _, mask in pairs])
        self.zones = torch.tensor([item.known_zones for item in items], dtype=torch.float32)
        self.teacher_predictions = None if teacher_predictions is None else teacher_predictions.of(items)


class AugmentedBatches(IterableDataset[Batch]):
    """
    One epoch of augmented batches. The last batch is left out if it is smaller.

    Several devices go through the same batches in the same order. Each gets its share of every batch, and augments it
    with random numbers of its own. Batch size, steps and schedule are therefore those of one device.
    """

    def __init__(
        self,
        loaded: LoadedItems,
        order: Sequence[int],
        *,
        epoch: int,
        sizes: Sequence[int],
        batch_size: int,
        seed: int,
        strength: Strength = Strength(),  # noqa: B008 - frozen
        device: torch.device = torch.device("cpu"),  # noqa: B008 - frozen
    ) -> None:
        self.loaded = loaded
        self.order = np.asarray(order)
        self.epoch, self.sizes, self.batch_size, self.seed = epoch, tuple(sizes), batch_size, seed
        self.strength = strength
        # `foreign` stores images as JPEG, among others: only the processor can do that.
        self.device = torch.device("cpu") if strength.foreign else device
        self.share = Share()

    def __len__(self) -> int:
        return len(self.order) // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        shuffled, sizes, generator = self._drawn_order()
        if self.share.devices > 1 or self.device.type != "cpu":
            generator = torch.Generator(self.device)
            generator.manual_seed((self.seed * 1_000 + self.epoch) * 1_000 + self.share.rank + 1)
        for place, size in enumerate(sizes):
            whole = shuffled[place * self.batch_size : (place + 1) * self.batch_size]
            yield self._batch(whole[self.share.rank :: self.share.devices], size, generator)

    def at(self, place: int) -> Batch:
        """
        Give one batch of the epoch, augmented with random numbers of its own.

        A run can therefore go on inside an epoch without the batches before. Its images are those that iteration
        has at this place; its augmentation is another one.
        """
        shuffled, sizes, _ = self._drawn_order()
        generator = torch.Generator(self.device)
        generator.manual_seed((self.seed * 1_000 + self.epoch) * 100_003 + place + 1)
        return self._batch(
            shuffled[place * self.batch_size : (place + 1) * self.batch_size], sizes[place], generator
        )

    def _drawn_order(self) -> tuple[NDArray[np.int64], list[int], torch.Generator]:
        """Give the images in the order of the epoch, the size of every batch, and the generator that drew them."""
        generator = torch.Generator().manual_seed(self.seed * 1_000 + self.epoch)
        shuffled = self.order[torch.randperm(len(self.order), generator=generator).numpy()]
        return shuffled, self._drawn_sizes(generator), generator

    def _drawn_sizes(self, generator: torch.Generator) -> list[int]:
        """Give the size of every batch, the same on all devices. For a single size no random number is drawn."""
        if len(self.sizes) == 1:
            return [self.sizes[0]] * len(self)
        return [self.sizes[i] for i in torch.randint(len(self.sizes), (len(self),), generator=generator)]

    def _batch(self, chosen: NDArray[np.int64], size: int, generator: torch.Generator) -> Batch:
        masks = self._of(self.loaded.masks, chosen).float()
        zones = self._of(self.loaded.zones.numpy(), chosen)
        if (teachers := self.loaded.teacher_predictions) is not None:
            masks = torch.cat((masks, self._of(teachers.masks, chosen).float() / 255), dim=1)
            zones = torch.cat((zones, self._of(teachers.zones, chosen)), dim=1)
        images, masks, zones = augment(
            self._of(self.loaded.images, chosen).float() / 255,
            masks,
            zones,
            size=size,
            strength=self.strength,
            generator=generator,
        )
        predicted = None if teachers is None else (masks[:, 1:], zones[:, 1])
        return Batch(normalised(images), masks[:, :1], zones[:, 0], *(predicted or ()))

    def _of(self, arrays: NDArray[Any], chosen: NDArray[np.int64]) -> Tensor:
        """Give the *chosen* rows of an array (N, ...) on the device, as (B, 1, ...)."""
        return torch.from_numpy(arrays[chosen]).to(self.device).unsqueeze(1)


class PlainBatches(IterableDataset[Batch]):
    """All items once, in order, without augmentation."""

    def __init__(self, loaded: LoadedItems, *, batch_size: int) -> None:
        self.loaded, self.batch_size = loaded, batch_size

    def __len__(self) -> int:
        return -(-len(self.loaded.items) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.loaded.items), self.batch_size):
            part = slice(start, start + self.batch_size)
            images = torch.from_numpy(self.loaded.images[part]).unsqueeze(1).float() / 255
            masks = torch.from_numpy(self.loaded.masks[part]).unsqueeze(1).float()
            yield Batch(images=normalised(images), masks=masks, zones=self.loaded.zones[part])


def normalised(images: Tensor) -> Tensor:
    """Normalise each image of (B, 1, H, W) as the node does (`sgseg_dicom.preprocess.normalise`), on any device."""
    exact = images.double()
    centred = exact - exact.mean(dim=(2, 3), keepdim=True)
    deviation = centred.std(dim=(2, 3), keepdim=True, correction=0)
    return torch.where(deviation > FLAT, centred / deviation, 0.0).float()


def padded(images: Tensor, count: int) -> Tensor:
    """
    Repeat the last image of (B, ...) until there are *count*. A GPU compiles its kernels anew for each new size.

    In evaluation mode an image's answer does not depend on the others.
    """
    lacking = count - len(images)
    return images if lacking <= 0 else torch.cat((images, images[-1:].expand(lacking, *images.shape[1:])))
