"""
What trained models think of the train images, for another to learn from (distillation).

Two annotators of this data agree at a Dice of 0.869: a mask is one opinion among possible ones. The mean of several
models errs less than each; a model that learns from it beside the masks takes some of that over, at no cost to the
node. A teacher has seen these very masks: its opinion leans to them, more than it would on images that it never saw.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from sgseg_dicom.errors import InferenceError
from sgseg_dicom.infer import Network, resized
from sgseg_dicom.zones import MIRROR_ORDER
from training.data import DataError, Item
from training.evaluate import model_input_of

_BATCH = 16
_MIRROR = list(MIRROR_ORDER)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Opinions:
    """
    Attributes:
        names: of the items.
        masks: uint8 (N, 224, 224), 255 times the chance of infection at a pixel, as the networks have it: no
            temperature is applied, and the teachers are surer than a calibrated node is.
        zones: float32 (N, 6), the chance of each zone, patient laterality; likewise.
        teachers: of each its weights (sha256) and what is known of its training.
    """

    names: tuple[str, ...]
    masks: NDArray[np.uint8]
    zones: NDArray[np.float32]
    teachers: tuple[dict[str, Any], ...]

    @property
    def facts(self) -> dict[str, Any]:
        """Name them: the teachers with their history, and the digest of what they said."""
        digest = hashlib.sha256(self.masks.tobytes() + self.zones.tobytes())
        return {"teachers": list(self.teachers), "digest": digest.hexdigest()}

    def of(self, items: Sequence[Item]) -> "Opinions":
        """
        Give the opinions of *items*, in their order.

        Raises:
            DataError: there is none of some item.
        """
        row_of = {name: row for row, name in enumerate(self.names)}
        if missing := [item.name for item in items if item.name not in row_of]:
            raise DataError(
                f"the teachers were not asked about {len(missing)} items, for example {missing[0]}; "
                "run `sgseg-train teach` with the same --data and --normals"
            )
        rows = [row_of[item.name] for item in items]
        names = tuple(item.name for item in items)
        return replace(self, names=names, masks=self.masks[rows], zones=self.zones[rows])


@dataclass(frozen=True, slots=True)
class _View:
    """One look of one teacher: at *size* pixels, at the image or at its mirror image; answers are the image's."""

    teacher: Network
    size: int
    mirrored: bool

    def look(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Give the teacher's features, and zone logits (B, 6)."""
        seen = resized(images.flip(-1) if self.mirrored else images, self.size)
        seen = seen.to(self.teacher.device, memory_format=torch.channels_last)
        with self.teacher.cast():
            features, location = self.teacher.model.look(seen)
        return features, self._turned(location.zone_logits).float().cpu()

    def draw(self, features: list[Tensor], zone_logits: Tensor, size: int) -> Tensor:
        """Give mask logits (B, 1, size, size) under the report that *zone_logits* (B, 6) make."""
        with self.teacher.cast():
            words = self.teacher.model.guide(self._turned(zone_logits).to(self.teacher.device))
            mask_logits = resized(self.teacher.model.decoder(features, words)[0], size).float().cpu()
        return mask_logits.flip(-1) if self.mirrored else mask_logits

    def _turned(self, zone_logits: Tensor) -> Tensor:
        return zone_logits[:, _MIRROR] if self.mirrored else zone_logits


def ask(teachers: Sequence[Network], items: Sequence[Item]) -> Opinions:
    """
    Give the teachers' mean opinion of *items*: the mean of their logits, text-free, under the report
    that they write together.

    Raises:
        DataError: two items have one name.
        InferenceError: an answer is not a number.

    Every teacher looks at each of its sizes once, in turn at the image and at its mirror image: of two teachers
    with two sizes each, both sizes are seen both ways, in half the time of all eight looks.
    """
    names = tuple(item.name for item in items)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"two images are named {twice}; opinions are found by name: rename one")
    views = [
        _View(teacher, size, mirrored=(place + turn) % 2 == 1)
        for place, teacher in enumerate(teachers)
        for turn, size in enumerate(teacher.manifest.test_time_sizes)
    ]
    masks, zones = [], []
    for start in track(range(0, len(items), _BATCH), description="teachers"):
        inputs = [model_input_of(item).pixels for item in items[start : start + _BATCH]]
        mask_logits, zone_logits = _mean_of(views, torch.from_numpy(np.stack(inputs)).unsqueeze(1))
        if not (mask_logits.isfinite().all() and zone_logits.isfinite().all()):
            raise InferenceError(f"a teacher's answer to {names[start]} or one beside it is not a number")
        masks.append((mask_logits.sigmoid()[:, 0] * 255).round().byte().numpy())
        zones.append(zone_logits.sigmoid().numpy())
    return Opinions(
        names=names,
        masks=np.concatenate(masks),
        zones=np.concatenate(zones),
        teachers=tuple(
            teacher.manifest.training | {"weights": teacher.manifest.sha256} for teacher in teachers
        ),
    )


def write_opinions(opinions: Opinions, path: Path) -> None:
    """Write one compressed file. It holds what was learned of the radiographs: it stays with the data."""
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:  # numpy would add an ending to a path
        np.savez_compressed(
            file,
            names=np.array(opinions.names),
            masks=opinions.masks,
            zones=opinions.zones,
            teachers=np.array([json.dumps(teacher) for teacher in opinions.teachers]),
        )
    unfinished.rename(path)


def read_opinions(path: Path) -> Opinions:
    """
    Read a file of `write_opinions`.

    Raises:
        DataError: there is no such file, or it is another.
    """
    try:
        with np.load(path) as file:
            return Opinions(
                names=tuple(file["names"].tolist()),
                masks=file["masks"],
                zones=file["zones"],
                teachers=tuple(json.loads(text) for text in file["teachers"].tolist()),
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        raise DataError(f"{path} is no file of `sgseg-train teach`: {error}") from None


@torch.inference_mode()
def _mean_of(views: Sequence[_View], images: Tensor) -> tuple[Tensor, Tensor]:
    """Give mask logits (B, 1, H, W) and zone logits (B, 6), the means over the looks; all draw under one report."""
    looks = [view.look(images) for view in views]
    zone_logits = torch.stack([zones for _, zones in looks]).mean(dim=0)
    masks = [
        view.draw(features, zone_logits, images.shape[-1])
        for view, (features, _) in zip(views, looks, strict=True)
    ]
    return torch.stack(masks).mean(dim=0), zone_logits
