"""An invented radiograph through every stage before the first patient's: imports, tables, kernels, memory."""

import tempfile
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from sgseg_dicom.pipeline import Segmenter, process
from sgseg_dicom.preprocess import INPUT_SIZE
from sgseg_dicom.records import Algorithm, ModelInput, Prediction, Results

_SIDE = 512


class _Everything:
    """Finds an infection everywhere, so that every stage has something to do."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm

    def __call__(self, model_input: ModelInput) -> Prediction:
        full = np.ones((INPUT_SIZE, INPUT_SIZE), dtype=np.float32)
        return Prediction(
            mask_probability=full,
            zone_probabilities=np.ones(6, dtype=np.float32),
            threshold=0.5,
            mask=full > 0,
            zones=(True,) * 6,
        )


def warm_up(segmenter: Segmenter, *, made_at: datetime) -> Results:
    """Process an invented image, as *segmenter*'s algorithm would report it; the results are for nobody."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warm-up.dcm"
        _invented().save_as(path, enforce_file_format=True)
        return process(path, segmenter=_Everything(segmenter.algorithm), made_at=made_at)


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
