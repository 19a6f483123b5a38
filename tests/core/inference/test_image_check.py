"""The image check by OpenVINO gives the scores that the network gives which learned."""

import numpy as np
import pytest

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.inference.image_check import load_image_check
from sgseg_dicom.model.image_check import load_image_check as load_by_torch
from sgseg_dicom.release.image_check_manifest import packaged_image_check


def test_it_scores_as_torch_does():
    """Every score, of images of many looks."""
    exported, learned = load_image_check(), load_by_torch()
    generator = np.random.default_rng(3)
    for scale in (0.1, 1.0, 3.0):
        pixels = (generator.standard_normal((224, 224)) * scale).astype(np.float32)

        np.testing.assert_allclose(exported(pixels), learned(pixels), atol=1e-4)
    assert exported.limits == learned.limits


def test_weights_that_are_not_those_of_the_manifest_are_refused(tmp_path):
    """As everywhere."""
    for file in packaged_image_check().iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"damaged")

    with pytest.raises(WeightsError, match="not that of its manifest"):
        load_image_check(tmp_path)
