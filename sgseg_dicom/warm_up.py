"""Every stage once on an invented image: no patient waits for the first pass of model, codes and encoders."""

from datetime import datetime

import numpy as np
from pydicom import Dataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from sgseg_dicom.encode.seg import encode_seg
from sgseg_dicom.encode.sr import encode_sr
from sgseg_dicom.measure import measure
from sgseg_dicom.pipeline import Segmenter
from sgseg_dicom.preprocess import INPUT_SIZE, preprocess
from sgseg_dicom.records import Orientation, Prediction, Radiograph

_SIDE = 2 * INPUT_SIZE


def warm_up(segmenter: Segmenter, *, now: datetime) -> None:
    """Run the stages behind the reading; what they make is thrown away."""
    radiograph = _blank_radiograph()
    segmenter(preprocess(radiograph))
    finding = measure(_marked_prediction(), radiograph)
    seg = encode_seg(radiograph, finding, algorithm=segmenter.algorithm, made_at=now)
    encode_sr(radiograph, finding, seg, algorithm=segmenter.algorithm, made_at=now)


def _blank_radiograph() -> Radiograph:
    header = Dataset()
    header.SOPClassUID = ComputedRadiographyImageStorage
    header.SOPInstanceUID = header.StudyInstanceUID = header.SeriesInstanceUID = generate_uid()
    header.Modality = "CR"
    header.Rows = header.Columns = _SIDE
    header.file_meta = Dataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return Radiograph(
        header=header,
        pixels=np.zeros((_SIDE, _SIDE), dtype=np.float32),
        padding=None,
        orientation=Orientation(),
        spacing_mm=None,
        spacing_at_detector=False,
    )


def _marked_prediction() -> Prediction:
    probability = np.zeros((INPUT_SIZE, INPUT_SIZE), dtype=np.float32)
    probability[60:120, 40:80] = probability[60:120, 150:190] = 1
    return Prediction(
        mask_probability=probability,
        zone_probabilities=np.ones(6, dtype=np.float32),
        threshold=0.5,
        mask=probability >= 0.5,
        zones=(True,) * 6,
    )
