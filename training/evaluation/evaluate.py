"""Measure weights on a split, text-free, the way that the node runs them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.inference.network import GuidedBy, Network
from sgseg_dicom.records import ModelInput, Prediction
from training.data import Item, load_image, load_mask
from training.data.borders_removed import see
from training.evaluation.report_scores import count_reports, report_metrics
from training.progress import progress

_BATCH = 8
_RESAMPLES = 1000


class Resampled(Protocol):
    """What is known image by image, and can be drawn again patient by patient."""

    @property
    def patients(self) -> NDArray[np.str_]:
        """Who is on each image."""
        ...

    def take(self, places: NDArray[np.int64]) -> Self:
        """Give the images at *places*, which may stand more than once."""
        ...


_C = TypeVar("_C", bound=Resampled)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Counts:
    """
    What is left of each image: enough for every metric and its bootstrap.

    Attributes:
        patients: (N,) who is on the image.
        overlap, predicted, true: (N,) pixels.
        pixels: (N,) all pixels of the image.
        zones, true_zones: bool (N, 6).
    """

    patients: NDArray[np.str_]
    overlap: NDArray[np.int64]
    predicted: NDArray[np.int64]
    true: NDArray[np.int64]
    pixels: NDArray[np.int64]
    zones: NDArray[np.bool_]
    true_zones: NDArray[np.bool_]

    def take(self, places: NDArray[np.int64]) -> "Counts":
        """Give the images at *places*, which may stand more than once."""
        fields = {name: getattr(self, name)[places] for name in self.__slots__}
        return Counts(**fields)


def model_input_of(item: Item) -> ModelInput:
    """Turn an item into a model input, as training and reading a DICOM image do: without a frame."""
    return see(load_image(item)).model_input


def evaluate(
    network: Network, items: Sequence[Item], normals: Sequence[Item], *, guided_by: GuidedBy = "generated"
) -> dict[str, Any]:
    """
    Measure infected *items* and *normals*; every figure has a patient-level bootstrap interval, `..._ci`, 95 %.

    Returns:
        keys guidance, device, precision (of the network: another one can judge an image otherwise that stands at a
        threshold), images, dice_micro, dice_mean, jaccard_micro, jaccard_mean, accuracy, sensitivity,
        mask_sensitivity, empty_masks (how many of the images have one), captioned, then of the captioned images
        zone_accuracy, zone_f1, report_exact_match, bleu_1 to bleu_4 and rouge_l, and as report_ceiling what these
        are where every zone is right: some captions word the same zones otherwise; ms_per_image (of the network,
        its first batch apart); normals: images, any_mask_rate, any_finding_rate, mean_area.
        Where no caption names the zones, `zones` says that their figures are left out.
    """
    predictions, seconds = _timed(network, items, guided_by)
    results: dict[str, Any] = {"guidance": guided_by, "device": network.device.type}
    results |= {"precision": str(network.precision).removeprefix("torch."), "images": len(items)}
    counts = count(items, predictions)
    results |= _with_intervals(counts, mask_metrics)
    results["empty_masks"] = int((counts.true == 0).sum())
    told = [place for place, item in enumerate(items) if item.zones is not None]
    results["captioned"] = len(told)
    if told:
        captioned = [items[place] for place in told]
        reports = count_reports(captioned, [predictions[place].zones for place in told])
        results |= _with_intervals(counts.take(np.array(told)), zone_metrics)
        results |= _with_intervals(reports, report_metrics)
        perfect = count_reports(captioned, [item.known_zones for item in captioned])
        results["report_ceiling"] = report_metrics(perfect)
    else:
        results["zones"] = "no caption names them: the figures of zones and report are left out"
    results |= _with_intervals(_Times(seconds), _time_metrics)
    if normals:
        found = count(normals, predict(network, normals, guided_by=guided_by))
        results["normals"] = {"images": len(normals)} | _with_intervals(found, normal_metrics)
    return results


def predict(
    network: Network, items: Sequence[Item], *, guided_by: GuidedBy = "generated"
) -> list[Prediction]:
    """Judge *items* in batches, as the node does: without a frame, and the mask laid on the image again."""
    return _timed(network, items, guided_by)[0]


def _timed(
    network: Network, items: Sequence[Item], guided_by: GuidedBy
) -> tuple[list[Prediction], NDArray[np.float64]]:
    """Judge *items*; give the seconds that the network had for an image as well, batch by batch."""
    predictions: list[Prediction] = []
    seconds: list[float] = []
    for start in progress(range(0, len(items), _BATCH), f"{guided_by} guidance"):
        part = items[start : start + _BATCH]
        seen = [see(load_image(item)) for item in part]
        inputs = [one.model_input for one in seen]
        zones = [item.known_zones for item in part] if guided_by == "ground-truth" else None
        began = time.perf_counter()
        judged = network.judge(inputs, guided_by=guided_by, zones=zones)
        seconds.append((time.perf_counter() - began) / len(part))
        predictions += [one.put_back(prediction) for one, prediction in zip(seen, judged, strict=True)]
    return predictions, np.array(seconds[1:] or seconds)  # the first batch compiles and allocates


def count(
    items: Sequence[Item],
    predictions: Sequence[Prediction],
    masks: Sequence[NDArray[np.bool_]] | None = None,
) -> Counts:
    """
    Compare predictions with the captions of *items* and their masks, or with other *masks*.

    Zones that no caption names are all False.
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


def mask_metrics(counts: Counts) -> dict[str, float]:
    """
    Give what needs no caption: "micro" pools all pixels, "mean" averages images.

    `sensitivity` is the share of the images with a mask that have a finding, `mask_sensitivity` of those with any
    pixel of one. Where the mask is empty and none is drawn, the image's Dice and Jaccard are 1.
    """
    union = counts.predicted + counts.true - counts.overlap
    total = counts.predicted + counts.true
    infected = counts.true > 0
    return {
        "dice_micro": float(ratio_of(2 * counts.overlap.sum(), total.sum())),
        "dice_mean": float(ratio_of(2 * counts.overlap, total).mean()),
        "jaccard_micro": float(ratio_of(counts.overlap.sum(), union.sum())),
        "jaccard_mean": float(ratio_of(counts.overlap, union).mean()),
        "accuracy": float(1 - (union - counts.overlap).sum() / counts.pixels.sum()),
        "sensitivity": _share_of(np.asarray(counts.zones.any(axis=1)), infected),
        "mask_sensitivity": _share_of(counts.predicted.astype(np.bool_), infected),
    }


def ratio_of(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give part / whole of each image, and 1 where both are 0: nothing was there, and nothing was drawn."""
    return np.where(whole == 0, 1.0, part / np.maximum(1, whole))


def _share_of(found: NDArray[np.bool_], infected: NDArray[np.bool_]) -> float:
    return float((found & infected).sum() / max(1, infected.sum()))


def zone_metrics(counts: Counts) -> dict[str, float]:
    """Compare the zones with those that the captions name."""
    right = counts.zones == counts.true_zones
    named = 2 * (counts.zones & counts.true_zones).sum()
    return {
        "zone_accuracy": float(right.mean()),
        "zone_f1": float(ratio_of(named, counts.zones.sum() + counts.true_zones.sum())),
        "report_exact_match": float(right.all(axis=1).mean()),
    }


def normal_metrics(counts: Counts) -> dict[str, float]:
    """
    Give what is found on normal radiographs, and should not be.

    A zone without a mask is a finding all the same; with a mask there is always a zone.
    """
    return {
        "any_mask_rate": float((counts.predicted > 0).mean()),
        "any_finding_rate": float(counts.zones.any(axis=1).mean()),
        "mean_area": float((counts.predicted / counts.pixels).mean()),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Times:
    """Seconds an image, batch by batch."""

    seconds: NDArray[np.float64]

    @property
    def patients(self) -> NDArray[np.str_]:
        """Batches are drawn again, each for itself."""
        return np.arange(len(self.seconds)).astype(str)

    def take(self, places: NDArray[np.int64]) -> "_Times":
        """Give the batches at *places*."""
        return _Times(self.seconds[places])


def _time_metrics(times: _Times) -> dict[str, float]:
    return {"ms_per_image": 1000 * float(times.seconds.mean())}


def interval_of(counts: _C, figures: Callable[[_C], dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Give the 95 % interval of each of *figures*, patients drawn with replacement."""
    _, patient = np.unique(counts.patients, return_inverse=True)
    members = [np.flatnonzero(patient == number) for number in range(patient.max() + 1)]
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = generator.integers(len(members), size=len(members))
        drawn.append(figures(counts.take(np.concatenate([members[place] for place in chosen]))))
    return {
        name: (
            float(np.percentile([row[name] for row in drawn], 2.5)),
            float(np.percentile([row[name] for row in drawn], 97.5)),
        )
        for name in drawn[0]
    }


def _with_intervals(counts: _C, figures: Callable[[_C], dict[str, float]]) -> dict[str, Any]:
    intervals = interval_of(counts, figures)
    return figures(counts) | {f"{name}_ci": interval for name, interval in intervals.items()}
