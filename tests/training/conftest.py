"""What the tests of training share: small weights to begin with, and a text encoder that is loaded once."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sgseg_dicom.model.report_table import TextEncoder
from sgseg_dicom.model.weights import save_weights
from tests.support.networks import tiny_model
from training.release.calibrate import NEUTRAL_CALIBRATION, OPEN_THRESHOLDS
from training.start import pretrained

NOTHING = {"infected": 0, "normal": 0, "digest": "0" * 64}


@pytest.fixture(scope="session", autouse=True)
def text_encoder_loaded_once() -> Iterator[None]:
    """MiniLM takes a second to load, and another one for the 64 reports with which every run begins."""
    load = pretrained.load_text_encoder

    @cache
    def loaded(source: str) -> TextEncoder:
        encoder = load(source)
        encode = cache(lambda reports: TextEncoder.forward(encoder, reports))
        encoder.forward = lambda reports: encode(tuple(reports))  # type: ignore[method-assign]
        return encoder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "load_text_encoder", loaded)
        yield


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of exported weights of the preset "tiny", as a run of the recipe "smoke" can begin with."""
    folder = tmp_path_factory.mktemp("tiny") / "weights"
    facts = {"name": "SGSeg tiny", "version": "0", "preset": "tiny", "metrics": {}}
    facts |= {"training": {"recipe": {"captions": "refined"}, "train": NOTHING}}
    facts |= {"calibration": NEUTRAL_CALIBRATION, "thresholds": OPEN_THRESHOLDS}
    save_weights(tiny_model(), folder, facts=facts)
    return folder
