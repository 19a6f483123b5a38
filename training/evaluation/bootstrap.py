"""95 % intervals of figures, by a bootstrap over patients."""

from collections.abc import Callable
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 1000


class Resampled(Protocol):
    """Something known for each image, of which images can be drawn, by patient."""

    @property
    def patients(self) -> NDArray[np.str_]:
        """The patient of each image, (N,)."""
        ...

    def take(self, places: NDArray[np.int64]) -> Self:
        """Give the images at *places*; a place may occur more than once."""
        ...


_C = TypeVar("_C", bound=Resampled)


def interval_of(counts: _C, figures: Callable[[_C], dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Give the 95 % interval of each of *figures*; patients are drawn with replacement."""
    _, patient = np.unique(counts.patients, return_inverse=True)
    members = [np.flatnonzero(patient == number) for number in range(patient.max() + 1)]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = rng.integers(len(members), size=len(members))
        drawn.append(figures(counts.take(np.concatenate([members[place] for place in chosen]))))
    return {
        name: (
            float(np.percentile([row[name] for row in drawn], 2.5)),
            float(np.percentile([row[name] for row in drawn], 97.5)),
        )
        for name in drawn[0]
    }


def with_intervals(counts: _C, figures: Callable[[_C], dict[str, float]]) -> dict[str, Any]:
    """Give *figures* of the counts, and the interval of each under its name with "_ci"."""
    intervals = interval_of(counts, figures)
    return figures(counts) | {f"{name}_ci": interval for name, interval in intervals.items()}
