"""`from sgseg_dicom import load`: a file or numbers in, what is said of it out, in the patient's terms."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sgseg_dicom
from docs.drawn_chest import drawn_chest
from sgseg_dicom.errors import ConfigError, NotApplicable, UnsupportedObject, WeightsError
from sgseg_dicom.inference.image_check import load_image_check
from sgseg_dicom.pipeline import Pipeline
from sgseg_dicom.python_model import Model
from sgseg_dicom.reading.film import read_any
from sgseg_dicom.zones import ZONES, Laterality
from tests.support.builders import chest_radiograph, synthetic_chest, write
from tests.support.predictions import (
    ALGORITHM,
    MADE_AT,
    ORIENTATIONS,
    both_lungs,
    prediction,
    stored_as,
    with_lungs,
)

ROOT = Path(__file__).parents[2]
CHEST = synthetic_chest((240, 200))


class Told:
    """A segmenter that says what it was told."""

    algorithm = ALGORITHM

    def __init__(self, told):
        self.told = told
        self.closed = False

    def __call__(self, model_input):
        return self.told

    def close(self):
        self.closed = True


def model_of(told, **parts):
    segmenter = Told(told)
    parts = {"image_check": None, "reader": read_any, **parts}
    return Model(Pipeline(segmenter=segmenter, clock=lambda: MADE_AT, **parts), segmenter)


def test_nothing_heavy_is_imported_with_the_package():
    """Who asks for the version, or has one module, loads neither model nor DICOM."""
    asked = (
        "import sys, sgseg_dicom; print({'numpy', 'pydicom', 'openvino', 'torch', 'PIL'} & set(sys.modules))"
    )

    said = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "set()"


def test_one_film_has_one_answer_in_every_form(tmp_path):
    """DICOM, PNG, and numbers."""
    model = model_of(with_lungs(both_lungs()))
    Image.fromarray(CHEST).save(tmp_path / "film.png")
    write(chest_radiograph(pixels=CHEST), tmp_path / "film.dcm")

    answers = [model(tmp_path / "film.png"), model(str(tmp_path / "film.dcm")), model(CHEST)]

    for answer in answers:
        assert answer.sentence.startswith("Bilateral pulmonary infection")
        assert answer.zones.keys() == {zone.name for zone in ZONES}
        assert answer.zones["right middle"] == "present"
        assert answer.shares == answers[0].shares
        np.testing.assert_array_equal(answer.mask, answers[0].mask)
        assert "not for diagnosis" in answer.warning
        assert answer.picture().mode == "RGB"
    assert ["right from left" in " ".join(answer.cautions) for answer in answers] == [True, False, True]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_mask_is_the_patients_on_the_grid_as_it_is_stored(orientation, tmp_path):
    """However it is stored: 1 lies in the patient's right lung, at the left of the standard display."""
    model = model_of(with_lungs(both_lungs()))
    write(stored_as(orientation, CHEST), tmp_path / "film.dcm")

    mask = model(tmp_path / "film.dcm").mask

    shown = orientation.to_display(mask)
    middle = shown.shape[1] // 2
    assert shown.shape == CHEST.shape
    assert set(np.unique(shown[:, :middle])) == {0, 1}
    assert set(np.unique(shown[:, middle:])) == {0, 2}


def test_shares_are_of_the_lungs_that_were_found():
    """A lung that was not found is missing: no number stands for it."""
    assert model_of(both_lungs())(CHEST).shares == {}
    assert model_of(with_lungs(both_lungs()))(CHEST).shares.keys() == {side.word for side in Laterality}


def test_what_must_not_be_judged_raises_and_says_nothing_of_the_lungs(tmp_path):
    """A refusal is never an answer: nobody takes it for a normal film."""
    model = model_of(prediction(zones=[]))
    write(chest_radiograph(ViewPosition="LL"), tmp_path / "lateral.dcm")

    with pytest.raises(NotApplicable):
        model(tmp_path / "lateral.dcm")
    with pytest.raises(NotApplicable):
        model(CHEST[:20, :20])
    with pytest.raises(UnsupportedObject):
        model(np.stack([CHEST, CHEST * 0, CHEST], axis=-1))


def test_a_model_is_closed_after_its_block():
    """Its threads end."""
    with model_of(both_lungs()) as model:
        pass

    assert model._segmenter.closed


def test_the_image_check_is_asked():
    """As the node asks it: noise is no chest."""
    model = model_of(prediction(zones=[]), image_check=load_image_check())

    with pytest.raises(NotApplicable):
        model(np.random.default_rng(0).integers(0, 255, (300, 300)))


def test_the_example_runs(tmp_path):
    """As it stands in examples/, with the weights that ship, over a drawn chest."""
    Image.fromarray(drawn_chest()).save(tmp_path / "film.png")
    command = [sys.executable, ROOT / "examples" / "judge_a_film.py", "film.png", "picture.png"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stderr
    assert "nothing else was judged" in said.stdout
    assert "in picture.png" in said.stdout
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.mode == "RGB"


def test_load_takes_what_the_commands_take(tmp_path):
    """A folder without weights is named, and a language that is not there."""
    with pytest.raises(WeightsError, match=r"manifest\.json"):
        sgseg_dicom.load(tmp_path)
    with pytest.raises(ConfigError, match="xx"):
        sgseg_dicom.load(language="xx")
