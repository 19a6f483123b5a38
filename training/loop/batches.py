"""Items in memory -> augmented batches; the chance of a batch depends on seed, epoch and place only."""

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
from training.data.borders_removed import without_frame
from training.teacher_predictions import Opinions


class Batch(NamedTuple):
    """
    What one step sees (a tuple: lightning moves no frozen dataclass to a device).

    Attributes:
        images: float32 (B, 1, size, size), mean 0 and standard deviation 1 over each image.
        masks: float32 (B, 1, size, size), 0 or 1.
        zones: float32 (B, 6), patient laterality.
        mask_opinions, zone_opinions: the same from teachers, chances from 0 to 1; None: there are no teachers.
    """

    images: Tensor
    masks: Tensor
    zones: Tensor
    mask_opinions: Tensor | None = None
    zone_opinions: Tensor | None = None


class Share(NamedTuple):
    """Which part of every batch one of several devices sees."""

    rank: int = 0
    devices: int = 1


class LoadedItems:
    """
    All pixels of some items in memory, as the node sees them: without a frame.

    100 kB each; 50 more with the teachers' opinions.
    """

    def __init__(self, items: Sequence[Item], opinions: Opinions | None = None) -> None:
        self.items = tuple(items)
        seen = [without_frame(load_image(item), load_mask(item)) for item in items]
        self.images: NDArray[np.uint8] = np.stack([image for image, _ in seen])
        self.masks: NDArray[np.bool_] = np.stack([mask for _, mask in seen])
        self.zones = torch.tensor([item.known_zones for item in items], dtype=torch.float32)
        self.opinions = None if opinions is None else opinions.of(items)


class AugmentedBatches(IterableDataset[Batch]):
    """
    One epoch of augmented batches; the last, smaller one is left out.

    Several devices see the same batches in the same order, each its share of every one, under chance of its own:
    batch size, steps and schedule are those of one device.
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
        # What makes an image look foreign stores it as JPEG, among others: that is the processor's work.
        self.device = torch.device("cpu") if strength.foreign else device
        self.share = Share()

    def __len__(self) -> int:
        return len(self.order) // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(self.seed * 1_000 + self.epoch)
        shuffled = self.order[torch.randperm(len(self.order), generator=generator).numpy()]
        sizes = self._drawn_sizes(generator)
        if self.share.devices > 1 or self.device.type != "cpu":
            generator = torch.Generator(self.device)
            generator.manual_seed((self.seed * 1_000 + self.epoch) * 1_000 + self.share.rank + 1)
        for place, size in enumerate(sizes):
            whole = shuffled[place * self.batch_size : (place + 1) * self.batch_size]
            yield self._batch(whole[self.share.rank :: self.share.devices], size, generator)

    def _drawn_sizes(self, generator: torch.Generator) -> list[int]:
        """Give the size of every batch, the same on all devices; of one size no chance is drawn."""
        if len(self.sizes) == 1:
            return [self.sizes[0]] * len(self)
        return [self.sizes[i] for i in torch.randint(len(self.sizes), (len(self),), generator=generator)]

    def _batch(self, chosen: NDArray[np.int64], size: int, generator: torch.Generator) -> Batch:
        masks = self._of(self.loaded.masks, chosen).float()
        zones = self._of(self.loaded.zones.numpy(), chosen)
        if (opinions := self.loaded.opinions) is not None:
            masks = torch.cat((masks, self._of(opinions.masks, chosen).float() / 255), dim=1)
            zones = torch.cat((zones, self._of(opinions.zones, chosen)), dim=1)
        images, masks, zones = augment(
            self._of(self.loaded.images, chosen).float() / 255,
            masks,
            zones,
            size=size,
            strength=self.strength,
            generator=generator,
        )
        thoughts = None if opinions is None else (masks[:, 1:], zones[:, 1])
        return Batch(normalised(images), masks[:, :1], zones[:, 0], *(thoughts or ()))

    def _of(self, arrays: NDArray[Any], chosen: NDArray[np.int64]) -> Tensor:
        """Give the *chosen* of some arrays (N, ...) on the device, as (B, 1, ...)."""
        return torch.from_numpy(arrays[chosen]).to(self.device).unsqueeze(1)


class PlainBatches(IterableDataset[Batch]):
    """All items once, in order, as inference sees them."""

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
    """Normalise each image (B, 1, H, W) as the node does (`sgseg_dicom.preprocess.normalise`), on any device."""
    exact = images.double()
    centred = exact - exact.mean(dim=(2, 3), keepdim=True)
    deviation = centred.std(dim=(2, 3), keepdim=True, correction=0)
    return torch.where(deviation > FLAT, centred / deviation, 0.0).float()
