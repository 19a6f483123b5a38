"""
Measure one film again and again in a process of its own: time, CPU time and memory of each stage.

`benchmarks.stages` starts it, also on the code of an older commit. So it uses only what both have.
"""

import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from node.jobs import Ending, Outcome
from node.judge.judged import judged
from node.store.result_folder import ResultFolder
from sgseg_dicom.applicability.image_check import ImageCheckScores, Limits
from sgseg_dicom.pipeline import Pipeline, Segmenter
from sgseg_dicom.records import Algorithm, ModelInput, Prediction
from sgseg_dicom.result_kinds import FOR_RESULTS_FOLDER
from sgseg_dicom.zones import ZONES

_SIDE = 224
_MADE_AT = datetime(2026, 11, 30, 12, 0, 0)
_NEVER = 1e9


class StoredAnswer:
    """A segmenter that has one answer to every image: spots in both lungs, with a ragged border."""

    algorithm = Algorithm(name="SGSeg compact", version="0.0.0", weights_digest="0f1e2d3c" * 8)

    def __init__(self) -> None:
        noise = np.random.default_rng(0).normal(0, 0.08, (28, 28)).astype(np.float32)
        ragged = np.asarray(Image.fromarray(noise).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))
        probability = np.maximum(_falling(110, 62, 34, 20), _falling(120, 162, 22, 22)) + ragged
        zones = tuple(zone.name in ("right middle", "right lower", "left lower") for zone in ZONES)
        self._answer = Prediction(
            mask_probability=np.clip(probability, 0, 1).astype(np.float32),
            zone_probabilities=np.array([0.9 if zone else 0.1 for zone in zones], dtype=np.float32),
            mask=probability >= 0.5,
            zones=zones,
            threshold=0.5,
            lungs=sum(
                value * (_falling(112, column, 80, 36) >= 0.5).astype(np.uint8)
                for value, column in ((1, 62), (2, 162))
            ),
        )

    def __call__(self, model_input: ModelInput) -> Prediction:
        """Give the answer."""
        return self._answer


class NoDoubt:
    """An image check that refuses nothing."""

    limits = Limits(
        blank=_NEVER,
        saturated=_NEVER,
        **dict.fromkeys(ImageCheckScores._fields, _NEVER),
    )

    def __call__(self, pixels: NDArray[np.float32]) -> ImageCheckScores:
        """Find nothing."""
        return ImageCheckScores(*(-_NEVER,) * len(ImageCheckScores._fields))


def main(film: Path, *, runs: int, real_model: bool) -> None:
    """Print the figures of *film* as one line of JSON: medians in seconds, memory in bytes."""
    pipeline = _real() if real_model else _pipeline(StoredAnswer())
    clock = _Clock()
    base = _peak()
    with TemporaryDirectory() as folder:
        kept = ResultFolder(Path(folder))
        for number in range(runs + 1):
            results = pipeline(film, wanted=FOR_RESULTS_FOLDER, timed=clock.timed)
            with clock.timed("encode"):
                objects = judged(results).objects
            with clock.timed("save"):
                kept.keep(f"job{number}", Outcome(ending=Ending.FINDING), objects)
            clock.next_film()
    print(json.dumps({"stages": clock.medians(), "base": base, "peak": _peak()}))


class _Clock:
    """Adds up time and CPU time of each stage, film by film; the first film warms up."""

    def __init__(self) -> None:
        self._films = list[dict[str, tuple[float, float]]]()
        self._film: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter(), time.process_time()
        yield
        wall, cpu = self._film[stage]
        self._film[stage] = (wall + time.perf_counter() - began[0], cpu + time.process_time() - began[1])

    def next_film(self) -> None:
        self._films.append(dict(self._film))
        self._film.clear()

    def medians(self) -> dict[str, tuple[float, float]]:
        measured = self._films[1:]
        return {
            stage: (median(f[stage][0] for f in measured), median(f[stage][1] for f in measured))
            for stage in measured[0]
        }


def _pipeline(segmenter: Segmenter) -> Pipeline:
    return Pipeline(segmenter=segmenter, image_check=NoDoubt(), clock=lambda: _MADE_AT)


def _real() -> Pipeline:
    from sgseg_dicom.inference.image_check import load_image_check
    from sgseg_dicom.inference.load import load_segmenter

    return Pipeline(segmenter=load_segmenter(), image_check=load_image_check(), clock=lambda: _MADE_AT)


def _falling(row: int, column: int, height: float, width: float) -> NDArray[np.float32]:
    """Draw what falls from 1 at its centre through one half on an ellipse."""
    y, x = np.mgrid[:_SIDE, :_SIDE]
    return np.asarray(0.5 ** (((y - row) / height) ** 2 + ((x - column) / width) ** 2), dtype=np.float32)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), runs=int(sys.argv[2]), real_model=sys.argv[3] == "real")
