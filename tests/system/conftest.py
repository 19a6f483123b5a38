"""What the system tests share."""

from collections.abc import Iterator

import pytest

from sgseg_dicom.infer import Segmenter, load_segmenter


@pytest.fixture(scope="package")
def segmenter() -> Iterator[Segmenter]:
    """The weights that ship, in this process: what the node's answers are compared with."""
    segmenter = load_segmenter()
    yield segmenter
    segmenter.close()
