"""From one stored radiograph to its results: the stages in order. Read this file first."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydicom import Dataset

from sgseg_dicom.applicability.header_rules import require_applicable
from sgseg_dicom.applicability.image_check import Viewer, require_upright_chest
from sgseg_dicom.check import require_valid
from sgseg_dicom.errors import SgsegError
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.preprocess import preprocess
from sgseg_dicom.reading.read import read, read_header
from sgseg_dicom.reading.stated_side import side_is_stated
from sgseg_dicom.records import Algorithm, ModelInput, Prediction, Results
from sgseg_dicom.result_kinds import Wanted
from sgseg_dicom.results.encode import encode_results
from sgseg_dicom.results.not_judged import encode_answer

Timed = Callable[[str], AbstractContextManager[object]]
"""Called with a stage's name; the context that it gives is entered around the stage."""


class Segmenter(Protocol):
    """
    What `sgseg_dicom.inference.segmenter` offers: one input in, one prediction out; safe to call from many threads.

    It may have a `viewer` that looks at the image first (`sgseg_dicom.applicability.image_check.Viewer`); without one
    nothing does.
    """

    algorithm: Algorithm

    def __call__(self, model_input: ModelInput) -> Prediction:
        """Judge one image."""
        ...


def process(
    path: Path,
    *,
    segmenter: Segmenter,
    made_at: datetime,
    wanted: Sequence[Wanted] = (Wanted(),),
    language: Language = ENGLISH,
    undeclared: str = "",
    timed: Timed = lambda stage: nullcontext(),
) -> Results:
    """
    Turn one stored radiograph into the drafts that are *wanted*: a SEG where a region was found, and reports.

    *undeclared* names the encoding of texts where the image declares none (`sgseg_dicom.reading.character_sets`).

    Raises:
        InstanceError: the instance is not DICOM, cannot be decoded, or must not be judged.
        InferenceError: the device failed.
        InvalidResult: a result failed its own check.
    """
    algorithm = segmenter.algorithm
    with timed("read"):
        radiograph = read(path, undeclared=undeclared)
        require_applicable(radiograph)
    with timed("preprocess"):
        model_input = preprocess(radiograph)
    viewer: Viewer | None = getattr(segmenter, "viewer", None)
    if viewer is not None:
        with timed("view"):
            require_upright_chest(
                model_input, viewer=viewer, side_is_stated=side_is_stated(radiograph.header)
            )
    with timed("infer"):
        prediction = segmenter(model_input)
    with timed("measure"):
        finding = measure(prediction, radiograph)
    with timed("encode"):
        files, names = encode_results(
            radiograph, finding, wanted, algorithm=algorithm, made_at=made_at, language=language
        )
    with timed("check"):
        require_valid(files, radiograph.header, extent=radiograph.stored_extent)
    return Results(
        source_uid=radiograph.sop_instance_uid,
        files=files,
        names=names,
        finding=finding,
        caution=tuple(language.caution(radiograph)),
    )


def answer(
    path: Path,
    error: SgsegError,
    *,
    algorithm: Algorithm,
    made_at: datetime,
    language: Language = ENGLISH,
    undeclared: str = "",
) -> Dataset:
    """
    Write for one stored image that it was not judged, and why; its pixels are not looked at.

    *undeclared*: as of `process`.

    Raises:
        InvalidDataset: not even the header tells which image it is.
        InvalidResult: the answer failed its own check.
    """
    header = read_header(path, undeclared=undeclared)
    said = encode_answer(header, error, algorithm=algorithm, made_at=made_at, language=language)
    require_valid({"answer.dcm": said}, header)
    return said
