"""result.json: what a finished run counted, small enough to keep, and enough for every table and difference."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import interval_of
from training.evaluation.metrics import Counts, mask_metrics, zone_metrics

RESULT = "result.json"
FIGURES = ("dice_micro", "dice_mean", "jaccard_micro", "accuracy")
_NUMBERS = ("overlap", "predicted", "true", "pixels")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Finished:
    """
    One run that has ended.

    Attributes:
        facts: of the run: parameters, epoch, seconds, seed, how the loss and Dice went (`history`).
        counts: of valid, by reading.
        has_zones: whether the method says zones.
    """

    facts: Mapping[str, Any]
    counts: Mapping[str, Counts]
    has_zones: bool


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Counts of the same images by several runs: seeds of one method, or two methods."""

    runs: tuple[Counts, ...]

    @property
    def patients(self) -> NDArray[np.str_]:
        """The patient of each image, (N,)."""
        return self.runs[0].patients

    def take(self, places: NDArray[np.int64]) -> "Together":
        """Give the images at *places*, of every run."""
        return Together(tuple(run.take(places) for run in self.runs))


def write_result(folder: Path, finished: Finished) -> None:
    """Write a finished run to its folder."""
    counts = {
        name: {key: getattr(one, key).tolist() for key in _NUMBERS}
        | {"zones": _packed(one.zones), "true_zones": _packed(one.true_zones)}
        | {"patients": one.patients.tolist()}
        for name, one in finished.counts.items()
    }
    content = dict(finished.facts) | {"has_zones": finished.has_zones, "counts": counts}
    (folder / RESULT).write_text(json.dumps(content) + "\n")


def read_result(folder: Path) -> Finished | None:
    """Read a finished run; None: it has not ended."""
    path = folder / RESULT
    if not path.is_file():
        return None
    content = json.loads(path.read_text())
    counts = {name: _counts(one) for name, one in content.pop("counts").items()}
    has_zones = content.pop("has_zones")
    return Finished(facts=content, counts=counts, has_zones=has_zones)


def mean_figures(together: Together) -> dict[str, float]:
    """Give the figures of the tables, each the mean over the runs."""
    each = [_figures(run) for run in together.runs]
    return {name: float(np.mean([one[name] for one in each])) for name in each[0]}


def interval_of_mean(together: Together) -> tuple[float, float]:
    """Give the 95 % interval of micro Dice, by patient."""
    return interval_of(together, _micro)["dice_micro"]


def difference_of(first: Sequence[Counts], second: Sequence[Counts]) -> tuple[float, float, float]:
    """Give micro Dice of *first* minus *second*, each the mean over its runs, with a 95 % interval by patient."""
    cut = len(first)

    def minus(together: Together) -> dict[str, float]:
        one, other = Together(together.runs[:cut]), Together(together.runs[cut:])
        return {"difference": _micro(one)["dice_micro"] - _micro(other)["dice_micro"]}

    both = Together((*first, *second))
    return (minus(both)["difference"], *interval_of(both, minus)["difference"])


def _micro(together: Together) -> dict[str, float]:
    each = [2 * run.overlap.sum() / max(1, run.predicted.sum() + run.true.sum()) for run in together.runs]
    return {"dice_micro": float(np.mean(each))}


def _figures(counts: Counts) -> dict[str, float]:
    masks = mask_metrics(counts)
    return {name: masks[name] for name in FIGURES} | {"zones": zone_metrics(counts)["zone_accuracy"]}


def _packed(zones: NDArray[np.bool_]) -> list[str]:
    return ["".join("01"[int(bit)] for bit in row) for row in zones]


def _unpacked(zones: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([[bit == "1" for bit in row] for row in zones])


def _counts(one: Mapping[str, Any]) -> Counts:
    numbers = {name: np.array(one[name]) for name in _NUMBERS}
    return Counts(
        patients=np.array(one["patients"]),
        zones=_unpacked(one["zones"]),
        true_zones=_unpacked(one["true_zones"]),
        **numbers,
    )
