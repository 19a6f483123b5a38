"""Films -> what the image-level head reads of them: the content of every pass, and the zones' logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgseg_dicom.inference.ensemble import Pass, mean_logits, passes_of
from sgseg_dicom.model.descriptors import content_of
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.release.manifest import Manifest
from training.data import Item
from training.evaluation.evaluate import model_input_of
from training.heads.feature_cache import Arrays, FeatureCache

_AT_ONCE, _IN_A_FILE = 8, 64


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedFilm:
    """
    One film for the image-level head.

    Attributes:
        item: the film.
        source, group: where it comes from, and what it shows; for the figures.
        patient: nobody is learned from and measured on at once.
        infected: whether it shows an infection; None: not known, so it is measured on alone.
        learned: whether weights may learn from it.
        weight: of the film among those of its source and kind; below 1 where the label is weak.
    """

    item: Item
    source: str
    group: str
    patient: str
    infected: bool | None
    learned: bool = True
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """Films, the content of every pass, float32 (N, D), and the mean zone logits, float32 (N, 6), uncalibrated."""

    films: Sequence[JudgedFilm]
    content: NDArray[np.float32]
    zone_logits: NDArray[np.float32]


def judge_films(
    films: Sequence[JudgedFilm], members: Sequence[SGSeg], manifest: Manifest, cache: FeatureCache
) -> Judged:
    """Judge *films* in float32 on the CPU, 64 a file; what *cache* has is taken from there."""
    passes = passes_of(members, flip=manifest.test_time_flip, sizes=manifest.test_time_sizes)
    found = cache.of("judged", [film.item for film in films]).pieces(
        len(films), _IN_A_FILE, lambda start, stop: _judged(films[start:stop], passes), title="films"
    )
    return Judged(films=films, content=found["content"], zone_logits=found["zones"])


@torch.inference_mode()
def _judged(films: Sequence[JudgedFilm], passes: Sequence[Pass]) -> Arrays:
    content, zones = [], []
    for start in range(0, len(films), _AT_ONCE):
        pixels = np.stack([model_input_of(film.item).pixels for film in films[start : start + _AT_ONCE]])
        of_passes: list[Tensor] = []

        def seen(one: Pass, features: list[Tensor], kept: list[Tensor] = of_passes) -> None:
            kept.append(content_of(features))

        images = torch.from_numpy(pixels).unsqueeze(1)
        _, zone_logits = mean_logits(passes, images, lambda member, logits: member.guide(logits), seen=seen)
        content.append(torch.cat(of_passes, dim=1).numpy())
        zones.append(zone_logits.numpy())
    return {"content": np.concatenate(content), "zones": np.concatenate(zones)}
