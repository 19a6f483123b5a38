"""The gain by guidance: the same weights on the same patients, guided by their own report and otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.inference.network import GuidedBy, Network
from training.data import Item
from training.evaluation.bootstrap import interval_of
from training.evaluation.evaluate import count, predict
from training.evaluation.metrics import Counts, mask_metrics

_FIGURES = ("dice_micro", "dice_mean")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pair:
    """Counts of the same images, judged with the model's own report and with another guidance, or none."""

    guided: Counts
    unguided: Counts

    @property
    def patients(self) -> NDArray[np.str_]:
        """The patient of each image, (N,)."""
        return self.guided.patients

    def take(self, places: NDArray[np.int64]) -> "Pair":
        """Give the images at *places*, of both counts."""
        return Pair(guided=self.guided.take(places), unguided=self.unguided.take(places))


def guidance_gain(network: Network, items: Sequence[Item], *, against: GuidedBy = "none") -> dict[str, Any]:
    """
    Measure *items* under generated guidance and under another one, and the difference of the two.

    Args:
        network: the weights.
        items: of one split.
        against: the other guidance: "none", or "sentence", the paper's own inference.

    Returns:
        images: their number;
        generated, and the name of the other guidance: dice_micro and dice_mean with each;
        guidance_gain: generated minus the other, with a 95 % interval `..._ci` of each. The bootstrap draws each
        patient for both at once.
    """
    pair = Pair(
        guided=count(items, predict(network, items, guided_by="generated")),
        unguided=count(items, predict(network, items, guided_by=against)),
    )
    intervals = interval_of(pair, gain_of)
    return {
        "images": len(items),
        "generated": _chosen(pair.guided),
        against: _chosen(pair.unguided),
        "guidance_gain": gain_of(pair) | {f"{name}_ci": interval for name, interval in intervals.items()},
    }


def gain_of(pair: Pair) -> dict[str, float]:
    """Give guided minus unguided, of dice_micro and of dice_mean."""
    guided, unguided = _chosen(pair.guided), _chosen(pair.unguided)
    return {name: guided[name] - unguided[name] for name in _FIGURES}


def _chosen(counts: Counts) -> dict[str, float]:
    figures = mask_metrics(counts)
    return {name: figures[name] for name in _FIGURES}
