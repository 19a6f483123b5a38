"""What guidance is worth: the same weights, guided by their own report and by none, on the same patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.inference.network import Network
from training.data import Item
from training.evaluation.evaluate import Counts, count, interval_of, mask_metrics, predict

_FIGURES = ("dice_micro", "dice_mean")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pair:
    """The same images judged twice."""

    guided: Counts
    unguided: Counts

    @property
    def patients(self) -> NDArray[np.str_]:
        """Who is on the images."""
        return self.guided.patients

    def take(self, places: NDArray[np.int64]) -> "Pair":
        """Give the images at *places*, of both."""
        return Pair(guided=self.guided.take(places), unguided=self.unguided.take(places))


def guidance_gain(network: Network, items: Sequence[Item]) -> dict[str, Any]:
    """
    Measure *items* under generated guidance and under none, and the difference of the two.

    Returns:
        images; `generated` and `none` with dice_micro and dice_mean; `guidance_gain`, generated less none of
        each, with `..._ci`: 95 % by a bootstrap that draws each patient for both at once.
    """
    pair = Pair(
        guided=count(items, predict(network, items, guided_by="generated")),
        unguided=count(items, predict(network, items, guided_by="none")),
    )
    intervals = interval_of(pair, gain_of)
    return {
        "images": len(items),
        "generated": _chosen(pair.guided),
        "none": _chosen(pair.unguided),
        "guidance_gain": gain_of(pair) | {f"{name}_ci": interval for name, interval in intervals.items()},
    }


def gain_of(pair: Pair) -> dict[str, float]:
    """Give dice_micro and dice_mean of guided less unguided."""
    guided, unguided = _chosen(pair.guided), _chosen(pair.unguided)
    return {name: guided[name] - unguided[name] for name in _FIGURES}


def _chosen(counts: Counts) -> dict[str, float]:
    figures = mask_metrics(counts)
    return {name: figures[name] for name in _FIGURES}
