"""What a network could say, without one: predictions for the tests, and radiographs read from built files."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from sgseg_dicom.applicability.image_check import ImageCheck
from sgseg_dicom.model_records import INPUT_SIZE, LEFT_LUNG, RIGHT_LUNG
from sgseg_dicom.pipeline import Pipeline, Segmenter
from sgseg_dicom.preprocess import shrink
from sgseg_dicom.reading.read import read
from sgseg_dicom.records import Algorithm, Orientation, Prediction, Radiograph
from sgseg_dicom.zones import ZONES
from tests.support.builders import chest_radiograph, write

ALGORITHM = Algorithm(name="SGSeg compact", version="0.1.0", weights_digest="0f1e2d3c" * 8)
MADE_AT = datetime(2024, 5, 2, 3, 4, 5)
THRESHOLD = 0.5

IMAGE_LEFT = (105, 60)
"""Row and column of a spot in the image's left half: the patient's RIGHT lung in the standard display."""

IMAGE_RIGHT = (95, 165)
"""Row and column of a spot in the image's right half: the patient's LEFT lung."""

ORIENTATIONS = [
    Orientation(transpose=transpose, flip_rows=flip_rows, flip_columns=flip_columns)
    for transpose, flip_rows, flip_columns in product([False, True], repeat=3)
]
"""The eight ways to store one standard display."""


def stored_as(orientation: Orientation, shown: NDArray[Any], **keywords: Any) -> Dataset:
    """Build the radiograph whose standard display is *shown*, stored and labelled by *orientation*."""
    across = "R" if orientation.flip_columns else "L"
    down = "H" if orientation.flip_rows else "F"
    return chest_radiograph(
        pixels=np.ascontiguousarray(orientation.to_stored(shown)),
        PatientOrientation=[down, across] if orientation.transpose else [across, down],
        **keywords,
    )


def spot(row: int, column: int, radius: float = 18) -> NDArray[np.float32]:
    """Draw a probability map that falls smoothly from 1, through one half at *radius*."""
    y, x = np.mgrid[:INPUT_SIZE, :INPUT_SIZE]
    distance = ((y - row) ** 2 + (x - column) ** 2) / radius**2
    return np.asarray(0.5**distance, dtype=np.float32)


def prediction(
    *spots: NDArray[np.float32], zones: Sequence[str] = (), threshold: float = THRESHOLD
) -> Prediction:
    """Predict the union of *spots* and *zones* (names as "right lower"); without zones the mask is empty."""
    probability = np.max([np.zeros((INPUT_SIZE, INPUT_SIZE), np.float32), *spots], axis=0)
    bits = tuple(zone.name in zones for zone in ZONES)
    return Prediction(
        mask_probability=probability,
        zone_probabilities=np.array([0.9 if bit else 0.1 for bit in bits], dtype=np.float32),
        mask=(probability >= threshold) & any(bits),
        zones=bits,
        threshold=threshold,
    )


def both_lungs() -> Prediction:
    """Predict a spot in either lung."""
    return prediction(spot(*IMAGE_LEFT), spot(*IMAGE_RIGHT), zones=["right middle", "left upper"])


def drawn_lungs(
    right: tuple[int, int] = (112, 62), left: tuple[int, int] = (112, 162), size: tuple[int, int] = (80, 36)
) -> NDArray[np.uint8]:
    """Draw both lungs as ellipses: centres (row, column) in the standard display, half height and half width."""
    y, x = np.mgrid[:INPUT_SIZE, :INPUT_SIZE]
    lungs = np.zeros((INPUT_SIZE, INPUT_SIZE), np.uint8)
    for value, (row, column) in ((RIGHT_LUNG, right), (LEFT_LUNG, left)):
        lungs[((y - row) / size[0]) ** 2 + ((x - column) / size[1]) ** 2 <= 1] = value
    return lungs


def with_lungs(predicted: Prediction, lungs: NDArray[np.uint8] | None = None) -> Prediction:
    """Give a prediction with lungs, those of `drawn_lungs` unless others are given."""
    return replace(predicted, lungs=drawn_lungs() if lungs is None else lungs)


def bright_parts(radiograph: Radiograph) -> Prediction:
    """Find what is bright in the standard display, as a network would: only by looking at it."""
    probability = shrink(radiograph.pixels)
    return prediction(probability, zones=["right middle"], threshold=0.9)


def pipeline_of(
    segmenter: Segmenter, *, made_at: datetime = MADE_AT, image_check: ImageCheck | None = None, **parts: Any
) -> Pipeline:
    """Give the pipeline with *segmenter*, whose clock stands still; without the image check unless one is given."""
    return Pipeline(segmenter=segmenter, image_check=image_check, clock=lambda: made_at, **parts)


def read_built(ds: Dataset | None = None, **keywords: Any) -> Radiograph:
    """Write a built data set (by default `chest_radiograph(**keywords)`) to a file and read it."""
    with TemporaryDirectory() as folder:
        return read(write(ds or chest_radiograph(**keywords), Path(folder) / "image.dcm"))
