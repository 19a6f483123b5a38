"""Train the heads of the look, and choose their limits on films that the trained folds have not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sgseg_dicom.model.heads import LOOKS, Heads
from sgseg_dicom.model.image_check import load_image_check
from sgseg_dicom.model_records import LookLimits
from training.evaluation.wilson import wilson_interval
from training.heads.linear_probe import LinearProbe, fit_probe, folds_of
from training.heads.look_views import Described, LookView, pixels_of
from training.progress import progress

FOLDS, SEED = 5, 0
STRENGTHS: Mapping[str, float] = {"lateral": 3e-4, "child": 3e-3, "mirrored": 3e-2}
"""C of each logistic regression; two to six values were tried, over folds."""
ALLOWED: Mapping[str, float] = {"lateral": 0.002, "child": 0.003, "mirrored": 0.004}
"""Share of the good adults' frontal films that each may refuse. Together they are below one in a hundred."""
CHECK_WEIGHT = 0.8
"""Of the image check's own score of mirrored images (`LookLimits.check_weight`); of five from 0 to 1 the last two
(0.6 and 1) refused most."""
_CHILD_MARGIN = 2.0
_SURE = 0.01
"""Share of the mirrored films that may count as sure of their sides."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LookFit:
    """
    The heads of the look.

    Attributes:
        probes: by the names of `LOOKS`, learned from all films that may be learned from.
        limits: chosen on the scores of folds that were not learned from.
        figures: of the same scores, and of sources that were left out.
    """

    probes: Mapping[str, LinearProbe]
    limits: LookLimits
    figures: dict[str, Any]


class Views:
    """Arrays of what is known of the described views, for choosing rows."""

    def __init__(self, described: Described) -> None:
        views = described.views
        self.descriptors: Mapping[str, NDArray[np.float32]] = {
            "lateral": described.content,
            "child": described.content,
            "mirrored": described.asymmetry,
        }
        self.kind = np.array([view.kind for view in views])
        self.source = np.array([view.source for view in views])
        self.mirrored = np.array([view.mirrored for view in views])
        self.right_way = np.array([view.right_way for view in views])
        self.learned = np.array([view.learned and view.right_way for view in views])
        self.plain = np.array([not view.changed for view in views])
        self.folds = folds_of([view.patient for view in views], FOLDS, seed=SEED)

    @property
    def good(self) -> NDArray[np.bool_]:
        """Adults' frontal films as they are."""
        return (self.kind == "adult") & self.plain & ~self.mirrored & self.right_way

    def positive(self, look: str) -> NDArray[np.bool_]:
        """What a head shall find."""
        return self.mirrored if look == "mirrored" else self.kind == look

    def wanted(self, look: str) -> NDArray[np.bool_]:
        """Films as they are that shall be refused."""
        adults = (self.kind == "adult") & self.right_way
        return self.positive(look) & self.plain & (adults if look == "mirrored" else ~self.mirrored)

    def known(self, look: str) -> NDArray[np.bool_]:
        """What a head learns from: of mirrored images the adults' alone."""
        adult = self.kind == "adult"
        return (adult if look == "mirrored" else adult | (self.kind == look)) & self.learned


def fit_look(described: Described) -> LookFit:
    """Fit the three heads; see `LookFit`."""
    views = Views(described)
    checked = _checked_mirrored(described.views)
    scores = {look: _scores_of_folds(views, look, views.folds) for look in LOOKS}
    scores["mirrored"] += CHECK_WEIGHT * checked
    limits = {look: _limit(scores[look][views.good], ALLOWED[look]) for look in LOOKS}
    left_out = {look: _scores_of_folds(views, look, views.source) for look in LOOKS}
    left_out["mirrored"] += CHECK_WEIGHT * checked
    mirrored = scores["mirrored"][views.wanted("mirrored")]
    probes = {look: _fit(views, look, views.known(look)) for look in LOOKS}
    return LookFit(
        probes=probes,
        limits=LookLimits(
            lateral=limits["lateral"],
            child=limits["child"],
            child_of_stated_adult=limits["child"] + _CHILD_MARGIN,
            mirrored=limits["mirrored"],
            sure_of_side=round(float(-np.quantile(mirrored, _SURE)), 3),
            check_weight=CHECK_WEIGHT,
        ),
        figures={
            "folds": {look: _figures(views, look, scores[look], limits[look]) for look in LOOKS},
            "source left out": {look: _figures(views, look, left_out[look], limits[look]) for look in LOOKS},
        },
    )


def put_into(heads: Heads, probes: Mapping[str, LinearProbe]) -> None:
    """Copy the probes into the linear layers of *heads*."""
    for look, probe in probes.items():
        layer = getattr(heads, look)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(probe.weights)[None].float())
            if layer.bias is not None:
                layer.bias.fill_(probe.constant)


def _fit(views: Views, look: str, rows: NDArray[np.bool_]) -> LinearProbe:
    return fit_probe(
        views.descriptors[look][rows],
        views.positive(look)[rows],
        strength=STRENGTHS[look],
        odd=look == "mirrored",
    )


def _scores_of_folds(views: Views, look: str, groups: NDArray[Any]) -> NDArray[np.float64]:
    """Score every film by a probe that learned from the other *groups* (folds, or sources) alone."""
    scores = np.full(len(groups), np.nan)
    known, positive = views.known(look), views.positive(look)
    for group in np.unique(groups):
        others = known & (groups != group)
        if positive[others].any() and not positive[others].all():
            scores[groups == group] = _fit(views, look, others)(views.descriptors[look][groups == group])
    return scores


def _checked_mirrored(views: Sequence[LookView]) -> NDArray[np.float64]:
    """Give the log odds of "mirrored" of the image check that ships; 0 for changed views, of which nobody asks."""
    image_check = load_image_check()
    return np.array(
        [
            0.0 if view.changed else image_check(np.ascontiguousarray(pixels_of(view))).mirrored
            for view in progress(views, "image check")
        ]
    )


def _limit(good: NDArray[np.float64], allowed: float) -> float:
    return round(float(np.quantile(good[np.isfinite(good)], 1 - allowed)), 3)


def _figures(views: Views, look: str, scores: NDArray[np.float64], limit: float) -> dict[str, Any]:
    """Give by source how many good films are refused, and how many of those that shall be."""
    scored = np.isfinite(scores)  # no other source has laterals, or children, to learn from
    return {
        "good films refused": _by_source(views, scored & views.good, scores >= limit),
        f"{look} refused": _by_source(views, scored & views.wanted(look), scores >= limit),
    }


def _by_source(views: Views, rows: NDArray[np.bool_], refused: NDArray[np.bool_]) -> dict[str, Any]:
    found = {}
    for source in ("all", *sorted(set(views.source[rows]))):
        chosen = rows if source == "all" else rows & (views.source == source)
        count, total = int((refused & chosen).sum()), int(chosen.sum())
        found[source] = {"films": total, "refused": count, "interval": wilson_interval(count, total)}
    return found
