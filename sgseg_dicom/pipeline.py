"""From one stored radiograph to its results: the stages in order. Read this file first."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sgseg_dicom.applicability import require_applicable
from sgseg_dicom.encode.seg import encode_seg
from sgseg_dicom.encode.sr import encode_sr
from sgseg_dicom.measure import measure
from sgseg_dicom.preprocess import preprocess
from sgseg_dicom.read import read
from sgseg_dicom.records import Algorithm, ModelInput, Prediction, Results

Timed = Callable[[str], AbstractContextManager[object]]
"""Called with a stage's name; the context that it gives is entered around the stage."""


class Segmenter(Protocol):
    """What `sgseg_dicom.infer` offers: one input in, one prediction out; safe to call from many threads."""

    algorithm: Algorithm

    def __call__(self, model_input: ModelInput) -> Prediction:
        """Judge one image."""
        ...


def process(
    path: Path, *, segmenter: Segmenter, made_at: datetime, timed: Timed = lambda stage: nullcontext()
) -> Results:
    """
    Turn one stored radiograph into its SEG (None where nothing was found) and its SR draft.

    Raises:
        InstanceError: the instance is not DICOM, cannot be decoded, or must not be judged.
        InferenceError: the device failed.
        InvalidResult: a result failed its own check.
    """
    algorithm = segmenter.algorithm
    with timed("read"):
        radiograph = read(path)
        require_applicable(radiograph)
    with timed("preprocess"):
        model_input = preprocess(radiograph)
    with timed("infer"):
        prediction = segmenter(model_input)
    with timed("measure"):
        finding = measure(prediction, radiograph)
    with timed("encode"):
        seg = encode_seg(radiograph, finding, algorithm=algorithm, made_at=made_at)
        sr = encode_sr(radiograph, finding, seg, algorithm=algorithm, made_at=made_at)
    return Results(source_uid=radiograph.sop_instance_uid, seg=seg, sr=sr, finding=finding)
