"""What the system tests share."""

from collections.abc import Iterator

import pytest

from sgseg_dicom.inference.load import load_segmenter
from sgseg_dicom.model.image_check import load_image_check
from sgseg_dicom.pipeline import Pipeline
from tests.support.predictions import pipeline_of
from tests.system.images import ARE_REAL


@pytest.fixture(scope="package")
def pipeline() -> Iterator[Pipeline]:
    """The weights that ship, in this process: what the node's results are compared with."""
    segmenter = load_segmenter()
    yield pipeline_of(segmenter, image_check=load_image_check() if ARE_REAL else None)
    segmenter.close()
