"""An invented radiograph through every stage before the first patient's: imports, tables, kernels, memory."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.pipeline import Pipeline
from sgseg_dicom.records import Algorithm, ModelInput, Prediction, Results

_SIDE = 512


class _Everything:
    """Finds an infection everywhere, so that every stage has something to do."""

    algorithm = Algorithm(name="warm-up", version="0", weights_digest="0" * 64)

    def __call__(self, model_input: ModelInput) -> Prediction:
        full = np.ones((INPUT_SIZE, INPUT_SIZE), dtype=np.float32)
        return Prediction(
            mask_probability=full,
            zone_probabilities=np.ones(6, dtype=np.float32),
            threshold=0.5,
            mask=full > 0,
            zones=(True,) * 6,
        )


def warm_up(pipeline: Pipeline) -> Results:
    """
    Take an invented image through every stage of *pipeline*; the results are for nobody.

    The model is not asked: it warms up in its own process. The image check is asked of a blank image, which it would
    refuse.
    """
    if pipeline.image_check is not None:
        pipeline.image_check(np.zeros((INPUT_SIZE, INPUT_SIZE), dtype=np.float32))
    unchecked = replace(pipeline, segmenter=_Everything(), image_check=None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warm-up.dcm"
        _invented().save_as(path, enforce_file_format=True)
        return unchecked(path)


def _invented() -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID, ds.Modality = "Warm^Up", "WARM-UP", "CR"
    ds.BodyPartExamined, ds.ViewPosition = "CHEST", "PA"
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.Rows = ds.Columns = _SIDE
    ds.PixelData = (np.arange(_SIDE * _SIDE) % 4096).astype("<u2").tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds
