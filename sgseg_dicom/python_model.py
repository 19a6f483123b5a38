"""
SGSeg in Python: `from sgseg_dicom import load`.

The same stages as in the node, the image check included, without a file being written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sgseg_dicom.applicability.header_rules import require_applicable
from sgseg_dicom.inference.compiled_graph import cache_of_user
from sgseg_dicom.inference.image_check import load_image_check
from sgseg_dicom.inference.load import load_segmenter
from sgseg_dicom.inference.segmenter import Segmenter
from sgseg_dicom.inference.wanted import Wanted
from sgseg_dicom.language.language import load_language
from sgseg_dicom.pipeline import Pipeline
from sgseg_dicom.reading.film import film_of_array, read_any
from sgseg_dicom.records import Finding, Radiograph
from sgseg_dicom.results.secondary_capture import draw_picture
from sgseg_dicom.zones import ZONES, Laterality


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answer:
    """
    What is said of one radiograph: an unverified draft, not for diagnosis alone.

    Attributes:
        sentence: which zones are taken for infected, in the language of the model.
        cautions: what must be read with it: assumed sides, and where sentence and regions contradict each other.
        zones: "present", "absent" or "undetermined", by the PATIENT's zone ("right upper").
        shares: marked share of each of the PATIENT's lungs, 0 to 1, by "right" and "left"; a lung that was not found
            is missing.
        mask: uint8 (rows, columns) of the image as it is stored: 1 in the region of the PATIENT's right lung, 2 in
            that of the left one, 0 elsewhere.
        warning: that this is a draft, of which algorithm, and what it is not for.
    """

    sentence: str
    cautions: tuple[str, ...]
    zones: Mapping[str, str]
    shares: Mapping[str, float]
    mask: NDArray[np.uint8]
    warning: str
    _radiograph: Radiograph
    _finding: Finding
    _model: "Model"

    def picture(self) -> Image.Image:
        """Draw it over the image, as `sgseg predict` does."""
        pipeline = self._model.pipeline
        return draw_picture(
            self._radiograph,
            self._finding,
            algorithm=pipeline.segmenter.algorithm,
            language=pipeline.language,
            style=pipeline.picture_style,
        )


class Model:
    """
    A loaded model; `sgseg_dicom.load` gives one. Safe to call from many threads.

    Args:
        pipeline: with a reader that takes films too.
        segmenter: of the pipeline.
    """

    def __init__(self, pipeline: Pipeline, segmenter: Segmenter) -> None:
        self.pipeline = pipeline
        self._segmenter = segmenter

    def __call__(self, image: str | Path | NDArray[Any]) -> Answer:
        """
        Judge a chest radiograph.

        Args:
            image: a DICOM, PNG or JPEG file; or grey values (rows, columns) as displayed, the PATIENT's right at the
                left edge, bone bright.

        Raises:
            InstanceError: it is no image, or must not be judged (`NotApplicable`). That does not mean that the lungs
                are normal.
            InferenceError: the device failed.
            StorageUnavailable: the file cannot be read.
        """
        if isinstance(image, str | Path):
            radiograph = self.pipeline.read(Path(image))
        else:
            radiograph = film_of_array(image)
            require_applicable(radiograph)
        finding = self.pipeline.judge(radiograph)
        language = self.pipeline.language
        return Answer(
            sentence=language.sentence(finding.zones),
            cautions=(*language.caution(radiograph), *language.doubts(finding)),
            zones={zone.name: str(finding.judgement_of(zone)) for zone in ZONES},
            shares={side.word: share for side, share in finding.lung_shares.items()},
            mask=_mask_of(finding, radiograph),
            warning=language.warning(self.pipeline.segmenter.algorithm),
            _radiograph=radiograph,
            _finding=finding,
            _model=self,
        )

    def close(self) -> None:
        """Stop its threads."""
        self._segmenter.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def load_model(weights: str | Path | None, *, device: str, language: str) -> Model:
    """
    Load weights and image check; arguments and errors as of `sgseg_dicom.load`.
    """
    words = load_language(language)
    where = None if weights is None else Path(weights)
    segmenter = load_segmenter(where, Wanted(device=device, cache=cache_of_user()))
    pipeline = Pipeline(
        segmenter=segmenter,
        image_check=load_image_check(),
        clock=lambda: datetime.now().astimezone(),
        language=words,
        reader=read_any,
    )
    return Model(pipeline, segmenter)


def _mask_of(finding: Finding, radiograph: Radiograph) -> NDArray[np.uint8]:
    mask = np.zeros(radiograph.stored_shape, dtype=np.uint8)
    for value, side in enumerate(Laterality, start=1):
        for region in finding.regions:
            if region.laterality is side:
                mask[region.mask] = value
    return mask
