"""Count what a method predicts for a split: the pixels and the zones of each image."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from training.evaluation.metrics import Counts
from training.loop.batches import VALID_BATCH, Batch, LoadedItems, PlainBatches, padded


@torch.inference_mode()
def count_masks(
    predict: Callable[[Batch], tuple[Tensor, Tensor | None]],
    loaded: LoadedItems,
    *,
    size: int,
    device: torch.device,
) -> tuple[Counts, bool]:
    """
    Predict images of *size*, cut at 0.5, and compare at the size of the data.

    Args:
        predict: batch -> mask logits, and zone logits or None.
        loaded: the split.
        size: rows and columns that the method learned.
        device: of the method.

    Returns:
        the counts, and whether the method has zones (if not, no zone counts as predicted).
    """
    masks, zones, has_zones = [], [], False
    for batch in PlainBatches(loaded, batch_size=VALID_BATCH):
        whole = batch.images.shape[-2:]
        images = interpolate(batch.images.to(device), (size, size), mode="bilinear", antialias=True)
        given = batch._replace(
            images=padded(images, VALID_BATCH), zones=padded(batch.zones, VALID_BATCH).to(device)
        )
        mask_logits, zone_logits = predict(given)
        has_zones = zone_logits is not None
        mask_logits = interpolate(mask_logits[: len(images)].float(), whole, mode="bilinear")
        masks.append((mask_logits[:, 0] > 0).cpu().numpy())
        said = (
            torch.zeros(len(images), 6) if zone_logits is None else zone_logits[: len(images)].float().cpu()
        )
        zones.append(said)
    return _counts(np.concatenate(masks), torch.cat(zones).numpy() > 0, loaded), has_zones


def _counts(predicted: np.ndarray, zones: np.ndarray, loaded: LoadedItems) -> Counts:
    truth = loaded.masks
    return Counts(
        patients=np.array([item.patient for item in loaded.items]),
        overlap=(predicted & truth).sum(axis=(1, 2)),
        predicted=predicted.sum(axis=(1, 2)),
        true=truth.sum(axis=(1, 2)),
        pixels=np.full(len(truth), truth[0].size),
        zones=zones,
        true_zones=loaded.zones.numpy() > 0.5,
    )
