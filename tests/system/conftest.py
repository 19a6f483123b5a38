"""What the system tests share."""

from collections.abc import Iterator

import pytest

from sgseg_dicom.inference.segmenter import Segmenter, load_segmenter
from tests.system.images import ARE_REAL


@pytest.fixture(scope="package")
def segmenter() -> Iterator[Segmenter]:
    """The weights that ship, in this process: what the node's answers are compared with."""
    segmenter = load_segmenter(image_check=ARE_REAL)
    yield segmenter
    segmenter.close()
