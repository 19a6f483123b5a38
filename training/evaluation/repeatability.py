"""
How far the marked percent of a lung moves though the patient is the same: the same film in other forms.

A second exposure of the same chest has another window, size, turn and place in the image. The percent that it gives
differs by more than this: breathing and posture differ too, and no data set at hand shows that. So what is measured
here is the least that a change must exceed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.inference.segmenter import Judge
from sgseg_dicom.preprocess import preprocess
from sgseg_dicom.records import DisplaySettings, Finding, Orientation, Prediction, Radiograph
from sgseg_dicom.zones import Laterality
from training.data import Item
from training.evaluation.film_as_radiograph import radiograph_of
from training.progress import progress

Film = NDArray[np.float32]
"""Grey values 0 to 1, (rows, columns), in the standard display."""

MIXED = "all together"
_FORMS_OF_EVERY = 5
_BANDS = ((0.0, 0.5), (0.5, 5.0), (5.0, 15.0), (15.0, 30.0), (30.0, 50.0), (50.0, 100.1))
_COEFFICIENT = 1.96 * math.sqrt(2)
_MIXTURES = 4
"""Forms of each film in which all of it differs at once, as it does in a second exposure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """
    How a film is changed.

    Attributes:
        size: rows and columns, in sizes of the film.
        low, high: shares of the range from black to white that become black and white.
        gamma: exponent of the grey values.
        degrees: of the turn.
        across, down: of the shift, in parts of the image.
        scale: of the enlargement about the centre.
    """

    size: float = 1.0
    low: float = 0.0
    high: float = 1.0
    gamma: float = 1.0
    degrees: float = 0.0
    across: float = 0.0
    down: float = 0.0
    scale: float = 1.0

    def of(self, film: Film) -> Film:
        """Change a film; what comes in at an edge has the grey of that edge."""
        grey = (film - np.float32(self.low)) / np.float32(self.high - self.low)
        grey = np.clip(grey, 0, 1) ** np.float32(self.gamma)
        return self._placed(grey.astype(np.float32))

    def _placed(self, film: Film) -> Film:
        rows, columns = film.shape
        shape = round(columns * self.size), round(rows * self.size)
        place = sitk.Similarity2DTransform()
        place.SetCenter(((columns - 1) / 2, (rows - 1) / 2))
        place.SetAngle(math.radians(self.degrees))
        place.SetScale(1 / self.scale)
        place.SetTranslation((self.across * columns, self.down * rows))
        step = columns / shape[0], rows / shape[1]
        resampled = sitk.Resample(
            sitk.GetImageFromArray(film),
            shape,
            place,
            sitk.sitkLinear,
            ((step[0] - 1) / 2, (step[1] - 1) / 2),
            step,
            (1.0, 0.0, 0.0, 1.0),
            0.0,
            sitk.sitkFloat32,
            True,  # useNearestNeighborExtrapolator: edges are held
        )
        return np.asarray(sitk.GetArrayFromImage(resampled), dtype=np.float32)


FORMS: Mapping[str, Form] = {
    "half the size": Form(size=0.5),
    "three times the size": Form(size=3.0),
    "window 3 to 97 %": Form(low=0.03, high=0.97),
    "gamma 0.8": Form(gamma=0.8),
    "gamma 1.25": Form(gamma=1.25),
    "turned by 3 degrees": Form(degrees=3.0),
    "turned by -3 degrees": Form(degrees=-3.0),
    "shifted across by 3 %": Form(across=0.03),
    "shifted down by 3 %": Form(down=0.03),
    "smaller by 5 %": Form(scale=0.95),
    "larger by 5 %": Form(scale=1.05),
}


def mixtures(number: int) -> list[Form]:
    """Give forms of the film with this *number* in which everything differs at once; the same at each call."""
    rng = np.random.default_rng(number)
    return [
        Form(
            size=float(rng.uniform(0.7, 3.0)),
            low=float(rng.uniform(0, 0.03)),
            high=float(rng.uniform(0.97, 1)),
            gamma=float(math.exp(rng.uniform(-0.22, 0.22))),
            degrees=float(rng.uniform(-3, 3)),
            across=float(rng.uniform(-0.03, 0.03)),
            down=float(rng.uniform(-0.03, 0.03)),
            scale=float(rng.uniform(0.95, 1.05)),
        )
        for _ in range(_MIXTURES)
    ]


def shares_in_forms(judge: Judge, items: Sequence[Item]) -> Iterator[dict[str, Any]]:
    """
    Judge each film as it is and in `mixtures`, and every fifth in each of `FORMS`.

    Yields:
        the film's name, and the percent of each lung ("R", "L") by the name of the form: a list each. A lung that was
        not found, or about which sentence and mask disagree, is null: the node does not compare it.

    Raises:
        DataError: a file cannot be read.
        InferenceError: the device failed.
    """
    for number, item in enumerate(progress(list(items), "films")):
        film = borderless(item)
        row: dict[str, Any] = {"film": item.name, "as it is": [_percents(judge, film)]}
        if number % _FORMS_OF_EVERY == 0:
            row |= {name: [_percents(judge, form.of(film))] for name, form in FORMS.items()}
        row[MIXED] = [_percents(judge, form.of(film)) for form in mixtures(number)]
        yield row


def _percents(judge: Judge, film: Film) -> dict[str, float | None]:
    shares = judged_film(judge, film)[1].comparable_shares
    return {side.value: 100 * shares[side] if side in shares else None for side in Laterality}


def judged_film(judge: Judge, film: Film) -> tuple[Prediction, Finding]:
    """
    Judge a film without a border as the node does, without the image check.

    Raises:
        InferenceError: the device failed.
    """
    radiograph = Radiograph(
        header=Dataset(),
        pixels=film,
        padding=None,
        orientation=Orientation(),
        spacing_mm=None,
        spacing_at_detector=False,
        display=DisplaySettings(sides_are_stated=True),
    )
    judged = judge.judge_each([preprocess(radiograph)])[0]
    if not isinstance(judged, Prediction):
        raise judged
    return judged, measure(judged, radiograph)


def borderless(item: Item) -> Film:
    """
    Read a film, in its own size, without an undeclared border.

    Raises:
        DataError: the file cannot be read.
    """
    radiograph = radiograph_of(item)
    return np.ascontiguousarray(radiograph.pixels[radiograph.extent.place])


def coefficients_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Turn the percents of films in several forms into coefficients of repeatability.

    The coefficient is 1.96 times the square root of 2 times the deviation within a film: of two measurements of one
    lung that has not changed, 95 % differ by less (Bland JM, Altman DG, Statistics notes: measurement error, BMJ
    1996;313:744). All figures are percentage points of the lung.

    Returns:
        lungs: how many were measured in every form of `MIXED`, and lost, how many were not;
        by_percent: of those lungs, by their mean percent, with how many there are;
        by_form: the difference from the film as it is: its mean and the 95 % of its absolute value.
    """
    spread = [one for row in rows for side in Laterality if (one := _spread(row, side.value)) is not None]
    return {
        "films": len(rows),
        "lungs": len(spread),
        "lost": len(Laterality) * len(rows) - len(spread),
        "by_percent": [_band(low, high, spread) for low, high in _BANDS],
        "by_form": {
            name: _differences(found) for name in (*FORMS, MIXED) if (found := _differing(rows, name))
        },
    }


def _spread(row: Mapping[str, Any], side: str) -> tuple[float, float] | None:
    """Give mean and variance of a lung's percent over the forms in which all differs; None where it is missing."""
    found = [one[side] for one in row[MIXED]]
    if None in found:
        return None
    return float(np.mean(found)), float(np.var(found, ddof=1))


def _band(low: float, high: float, spread: Sequence[tuple[float, float]]) -> dict[str, Any]:
    variances = [variance for mean, variance in spread if low <= mean < high]
    if not variances:
        return {"from": low, "to": high, "lungs": 0}
    return {
        "from": low,
        "to": high,
        "lungs": len(variances),
        "coefficient": _COEFFICIENT * math.sqrt(float(np.mean(variances))),
    }


def _differing(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [
        one[side.value] - base
        for row in rows
        for one in row.get(name, ())
        for side in Laterality
        if (base := row["as it is"][0][side.value]) is not None and one[side.value] is not None
    ]


def _differences(found: Sequence[float]) -> dict[str, float]:
    return {"mean": float(np.mean(found)), "absolute_95": float(np.quantile(np.abs(found), 0.95))}
