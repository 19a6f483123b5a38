"""How far the percent of a lung that is reported lies from the true one: experts' masks over hand-drawn lungs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sgseg_dicom.findings.lung_fields import VALUES, lung_fields_of
from sgseg_dicom.inference.segmenter import Judge
from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.zones import Laterality
from training.data import DataError, Item, load_image, load_mask
from training.data.cohen_table import read_cohen_table
from training.data.film import Film
from training.data.other_sources import lungs_of
from training.evaluation.repeatability import judged_film
from training.progress import progress

LEAST_CORRELATION = 0.98
"""Of the grey values of both copies of a film: below, one is cut otherwise, and the mask lies beside the lungs."""

Mask = NDArray[np.bool_]


class Pair(NamedTuple):
    """A film of QaTa-COV19, with an expert's mask, whose lungs somebody has drawn on another copy of it."""

    item: Item
    lungs: NDArray[np.uint8]


def pairs_of(films: Sequence[Film], items: Sequence[Item], other: Path) -> tuple[list[Pair], int]:
    """
    Find the films of which both are known: mask and lungs.

    Args:
        films: of other sources.
        items: QaTa-COV19's train split.
        other: folder of the films, with `cohen.csv`.

    Returns:
        the pairs, and how many more were left out because their two copies do not lie upon each other.

    Raises:
        DataError: a file cannot be read.
    """
    table, known = read_cohen_table(other), {item.name: item for item in items}
    pairs, left_out = [], 0
    for film in films:
        row = table.get(film.item.name)
        item = known.get(Path(row["same_film_in_qata_train"]).stem) if row else None
        path = lungs_of(film)
        if item is None or path is None:
            continue
        one, other_copy = (load_image(copy).astype(np.float64).ravel() for copy in (film.item, item))
        if np.corrcoef(one, other_copy)[0, 1] < LEAST_CORRELATION:
            left_out += 1
        else:
            pairs.append(Pair(item, _lungs(path)))
    if not pairs:
        raise DataError(f"no film of {other} with drawn lungs is in QaTa-COV19's train split")
    return pairs, left_out


def share_rows(judge: Judge, pairs: Sequence[Pair]) -> Iterator[dict[str, Any]]:
    """
    Judge films whose lungs are drawn.

    Yields:
        the film's name, and for each lung ("R", "L") the percent "told" and the "true" one (the expert's mask over
        the drawn lung); null where the lung was not found.

    Raises:
        DataError: a file cannot be read.
        InferenceError: the device failed.
    """
    for pair in progress(list(pairs), "films with drawn lungs"):
        _, finding = judged_film(judge, load_image(pair.item).astype(np.float32) / np.float32(255))
        mask = load_mask(pair.item)
        row: dict[str, Any] = {"film": pair.item.name}
        for side, value in VALUES.items():
            told = finding.lung_shares.get(side)
            row[side.value] = {"told": _percent(told), "true": _percent(share_of(mask, pair.lungs == value))}
        yield row


def mask_rows(judge: Judge, items: Sequence[Item]) -> Iterator[dict[str, Any]]:
    """
    Judge films that were not learned from: what the mask's error alone does to the percents, over the lungs found.

    Yields, raises: as `share_rows`; the true percent is that of the expert's mask over the lung that was found.
    """
    for item in progress(list(items), "films not learned from"):
        prediction, finding = judged_film(judge, load_image(item).astype(np.float32) / np.float32(255))
        fields, mask = lung_fields_of(prediction.lungs), load_mask(item)
        row: dict[str, Any] = {"film": item.name}
        for side in Laterality:
            told, true = finding.lung_shares.get(side), None
            if side in fields:
                true = share_of(mask, fields[side].mask)
            row[side.value] = {"told": _percent(told), "true": _percent(true)}
        yield row


def errors_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """
    Average over the films, by lung: mean absolute error, mean error (told minus true), and that of all lungs.

    All figures are percentage points of the lung. Lungs that were not found are counted and left out.
    """
    figures: dict[str, Any] = {"films": len(rows)}
    everything: list[tuple[float, float]] = []
    for side in Laterality:
        pairs = [(row[side.value]["told"], row[side.value]["true"]) for row in rows]
        found = [(told, true) for told, true in pairs if told is not None and true is not None]
        figures[side.word] = _errors(found) | {"not_found": len(pairs) - len(found)}
        everything += found
    return figures | {"both": _errors(everything)}


def share_of(mask: Mask, lung: Mask) -> float:
    """Give the share of a lung that is marked, 0 to 1; of a lung without area 0."""
    area = int(np.count_nonzero(lung))
    return int(np.count_nonzero(mask & lung)) / area if area else 0.0


def _errors(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    if not pairs:
        return {"lungs": 0}
    told, true = (np.array(part) for part in zip(*pairs, strict=True))
    difference = told - true
    return {
        "lungs": len(pairs),
        "mean_absolute_error": float(np.abs(difference).mean()),
        "median_absolute_error": float(np.median(np.abs(difference))),
        "mean_error": float(difference.mean()),
        "mean_true": float(true.mean()),
        "correlation": float(np.corrcoef(told, true)[0, 1]) if len(pairs) > 1 else None,
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _lungs(path: Path) -> NDArray[np.uint8]:
    """Read drawn lungs on the grid of QaTa-COV19's films."""
    with Image.open(path) as image:
        size = (INPUT_SIZE, INPUT_SIZE)
        return np.asarray(image.convert("L").resize(size, Image.Resampling.NEAREST), dtype=np.uint8)
