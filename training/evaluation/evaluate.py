"""Measure weights on a split, in the same way as the node runs them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.inference.network import GuidedBy, Network
from sgseg_dicom.records import ModelInput, Prediction
from training.data import Item, load_image, load_mask
from training.data.borders_removed import borderless_input_of
from training.evaluation.bootstrap import with_intervals
from training.evaluation.metrics import Counts, mask_metrics, normal_metrics, zone_metrics
from training.evaluation.report_scores import count_reports, report_metrics
from training.progress import progress

_BATCH = 8


def model_input_of(item: Item) -> ModelInput:
    """Turn an item into a model input: without its undeclared border, as in training and in the node."""
    return borderless_input_of(load_image(item)).model_input


def evaluate(
    network: Network, items: Sequence[Item], normals: Sequence[Item], *, guided_by: GuidedBy = "generated"
) -> dict[str, Any]:
    """
    Measure infected *items* and *normals*; every figure has a 95 % interval `..._ci`, by a bootstrap over patients.

    Returns:
        guidance, device, precision: of the network. An image whose probability is close to a threshold can be judged
        differently in another precision.
        images: their number.
        dice_micro, dice_mean, jaccard_micro, jaccard_mean, accuracy, sensitivity, mask_sensitivity.
        empty_masks: number of images whose true mask is empty.
        captioned: number of images with a caption; of these zone_accuracy, zone_f1, report_exact_match, bleu_1 to
        bleu_4 and rouge_l.
        report_ceiling: the same scores of reports in which every zone is right. They are not perfect, since captions
        use different words for the same zones.
        zones: only if there is no caption; it says that the figures of zones and reports are left out.
        ms_per_image: of the network, without its first batch.
        normals: images, any_mask_rate, any_finding_rate, mean_area.
    """
    predictions, seconds = _timed(network, items, guided_by)
    results: dict[str, Any] = {"guidance": guided_by, "device": network.device.type}
    results |= {"precision": str(network.precision).removeprefix("torch."), "images": len(items)}
    counts = count(items, predictions)
    results |= with_intervals(counts, mask_metrics)
    results["empty_masks"] = int((counts.true == 0).sum())
    places = [place for place, item in enumerate(items) if item.zones is not None]
    results["captioned"] = len(places)
    if places:
        captioned = [items[place] for place in places]
        reports = count_reports(captioned, [predictions[place].zones for place in places])
        results |= with_intervals(counts.take(np.array(places)), zone_metrics)
        results |= with_intervals(reports, report_metrics)
        perfect = count_reports(captioned, [item.known_zones for item in captioned])
        results["report_ceiling"] = report_metrics(perfect)
    else:
        results["zones"] = "no caption names them: the figures of zones and report are left out"
    results |= with_intervals(_Times(seconds), _time_metrics)
    if normals:
        found = count(normals, predict(network, normals, guided_by=guided_by))
        results["normals"] = {"images": len(normals)} | with_intervals(found, normal_metrics)
    return results


def predict(
    network: Network, items: Sequence[Item], *, guided_by: GuidedBy = "generated"
) -> list[Prediction]:
    """Judge *items* in batches, as the node does: without undeclared borders; masks are laid back onto the images."""
    return _timed(network, items, guided_by)[0]


def _timed(
    network: Network, items: Sequence[Item], guided_by: GuidedBy
) -> tuple[list[Prediction], NDArray[np.float64]]:
    """Judge *items*; also give the network's seconds for an image, of each batch."""
    predictions: list[Prediction] = []
    seconds: list[float] = []
    for start in progress(range(0, len(items), _BATCH), f"{guided_by} guidance"):
        part = items[start : start + _BATCH]
        prepared = [borderless_input_of(load_image(item)) for item in part]
        inputs = [one.model_input for one in prepared]
        zones = [item.known_zones for item in part] if guided_by == "ground-truth" else None
        began = time.perf_counter()
        judged = network.judge(inputs, guided_by=guided_by, zones=zones)
        seconds.append((time.perf_counter() - began) / len(part))
        predictions += [one.put_back(prediction) for one, prediction in zip(prepared, judged, strict=True)]
    return predictions, np.array(seconds[1:] or seconds)  # the first batch compiles and allocates


def count(
    items: Sequence[Item],
    predictions: Sequence[Prediction],
    masks: Sequence[NDArray[np.bool_]] | None = None,
) -> Counts:
    """
    Compare predictions with the captions of *items*, and with their masks or other *masks*.

    Without a caption, all true zones are False.
    """
    masks = [load_mask(item) for item in items] if masks is None else masks
    pairs = list(zip(predictions, masks, strict=True))
    return Counts(
        patients=np.array([item.patient for item in items]),
        overlap=np.array([(p.mask & mask).sum() for p, mask in pairs]),
        predicted=np.array([p.mask.sum() for p in predictions]),
        true=np.array([mask.sum() for mask in masks]),
        pixels=np.array([mask.size for mask in masks]),
        zones=np.array([p.zones for p in predictions], dtype=np.bool_),
        true_zones=np.array([item.zones or (False,) * 6 for item in items], dtype=np.bool_),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Times:
    """Seconds for an image, of each batch."""

    seconds: NDArray[np.float64]

    @property
    def patients(self) -> NDArray[np.str_]:
        """Each batch counts as a patient of its own."""
        return np.arange(len(self.seconds)).astype(str)

    def take(self, places: NDArray[np.int64]) -> "_Times":
        """Give the batches at *places*."""
        return _Times(self.seconds[places])


def _time_metrics(times: _Times) -> dict[str, float]:
    return {"ms_per_image": 1000 * float(times.seconds.mean())}
