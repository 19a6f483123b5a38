"""What the pixels say of an image decides, after the header, whether the model may judge it."""

import json
import shutil

import numpy as np
import pytest

from sgseg_dicom.applicability.image_check import (
    ImageCheckScores,
    Limits,
    require_upright_chest,
    saturation,
    shapelessness,
)
from sgseg_dicom.errors import NotApplicable, WeightsError
from sgseg_dicom.model.image_check import load_image_check
from sgseg_dicom.preprocess import normalise
from sgseg_dicom.records import ModelInput
from sgseg_dicom.release.image_check_manifest import packaged_image_check, read_image_check_manifest

LIMITS = Limits(
    blank=0.95,
    saturated=0.6,
    not_chest=0,
    inverted=0,
    rotated=0,
    upside_down=0,
    cut_off=0,
    mirrored=0,
)
SOUND = dict.fromkeys(ImageCheckScores._fields, -5.0)
SEED = 11
RNG = np.random.default_rng(SEED)
PICTURE = normalise(RNG.normal(size=(14, 14)).repeat(16, 0).repeat(16, 1).astype(np.float32))
NOISE = normalise(RNG.normal(size=(224, 224)).astype(np.float32))


class SaysSo:
    """An image check that gives the scores it was made with."""

    limits = LIMITS

    def __init__(self, **scores: float) -> None:
        self._scores = ImageCheckScores(**(SOUND | scores))

    def __call__(self, pixels):
        return self._scores


def reason(pixels=PICTURE, **scores):
    try:
        require_upright_chest(ModelInput(pixels=pixels), image_check=SaysSo(**scores), sides_are_stated=True)
    except NotApplicable as refusal:
        return refusal.reason
    return None


def test_an_image_without_a_sign_is_judged():
    """Below every limit nothing is refused."""
    assert reason() is None


@pytest.mark.parametrize(
    ("sign", "expected"),
    [
        ("not_chest", "not-a-chest-image"),
        ("inverted", "inverted"),
        ("rotated", "rotated-image"),
        ("upside_down", "upside-down"),
        ("cut_off", "cut-off"),
        ("mirrored", "mirrored"),
    ],
)
def test_each_sign_has_a_reason_of_its_own(sign, expected):
    """What the network sees at its limit is refused by that name."""
    assert reason(**{sign: LIMITS.model_dump()[sign]}) == expected


def test_what_is_no_chest_is_not_also_blamed_for_its_pose():
    """The first sign in the order of asking names the reason: a pose is asked of a chest only."""
    assert reason(not_chest=1.0, rotated=9.0, mirrored=9.0) == "not-a-chest-image"


@pytest.mark.parametrize("sign", ["rotated", "upside_down", "mirrored"])
def test_a_conflict_of_header_and_image_names_both_and_the_cure(sign):
    """Orientation comes from Patient Orientation, stated or absent: the text says so, and what to do."""
    with pytest.raises(NotApplicable) as caught:
        require_upright_chest(
            ModelInput(pixels=PICTURE), image_check=SaysSo(**{sign: 3.0}), sides_are_stated=True
        )

    text = str(caught.value)
    assert "Patient Orientation" in text
    assert "the image" in text
    assert "send again" in text


def test_noise_and_gradients_are_blank():
    """What is left of an exposure without a patient: grain, or a slope of the field."""
    slope = normalise(np.add.outer(np.arange(224.0), np.arange(224.0) ** 2 / 300).astype(np.float32))

    assert reason(NOISE) == "blank"
    assert reason(slope) == "blank"
    assert shapelessness(PICTURE) < 0.2


def test_an_image_of_black_and_white_alone_is_saturated():
    """Two thirds of the pixels at the ends of the range leave nothing to judge."""
    burnt = normalise(np.clip(PICTURE, -0.4, 0.4))

    assert saturation(burnt) > 0.6
    assert reason(burnt) == "saturated"
    assert saturation(PICTURE) < 0.1


def test_weights_of_another_release_are_not_loaded(tmp_path):
    """Limits belong to one version of the weights: a mismatch stops the start."""
    folder = shutil.copytree(packaged_image_check(), tmp_path / "view")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")

    with pytest.raises(WeightsError, match="manifest"):
        load_image_check(folder)


def test_changed_limits_are_not_loaded(tmp_path):
    """A limit that was moved by hand is no longer the one that was measured."""
    folder = shutil.copytree(packaged_image_check(), tmp_path / "view")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["limits"]["mirrored"] = 99.0
    (folder / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(WeightsError, match="changed"):
        read_image_check_manifest(folder)


def test_weights_that_are_not_there_are_named(tmp_path):
    """The message tells which file is missing."""
    with pytest.raises(WeightsError, match=r"manifest\.json is missing"):
        load_image_check(tmp_path)
