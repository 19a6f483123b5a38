"""Masks without captions: their zones are measured, said, and enough for a training and the tables."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from sgseg_dicom.zones import ZONES, Laterality, Level
from tests.training.builders import as_kaggle, small_data_set
from training.cli import app
from training.data import read_split
from training.data.train_and_valid import read_train_and_valid
from training.data.zones_of_masks import with_zones_of_masks, zones_of_mask


@pytest.fixture(scope="module")
def sgseg(tmp_path_factory):
    return small_data_set(tmp_path_factory.mktemp("sgseg"), train=12, valid=2)


@pytest.fixture(scope="module")
def kaggle(sgseg, tmp_path_factory):
    return as_kaggle(sgseg, tmp_path_factory.mktemp("kaggle"))


def test_the_left_half_of_an_image_is_the_patients_right_lung():
    """An area in the upper left of the image is the upper zone of the right lung, and of no other."""
    mask = np.zeros((224, 224), dtype=np.bool_)
    mask[20:50, 30:60] = True
    expected = tuple(zone.laterality is Laterality.RIGHT and zone.level is Level.UPPER for zone in ZONES)
    assert zones_of_mask(mask) == expected


def test_a_few_pixels_are_no_zone():
    """The edge of an area that reaches into the next zone does not make that one infected."""
    mask = np.zeros((224, 224), dtype=np.bool_)
    mask[200, 30:40] = True
    assert not any(zones_of_mask(mask))


def test_a_caption_counts_more_than_a_mask(sgseg):
    """Only images that no caption describes get zones from their masks."""
    items = read_split(sgseg, "train")
    assert with_zones_of_masks(items) == items


def test_kaggles_own_layout_can_be_trained_and_compared(kaggle, tmp_path):
    """No captions and no valid split: run.json counts the images whose zones come from masks."""
    options = ["--recipe", "smoke", "--data", str(kaggle), "--zones", "masks"]
    refused = CliRunner().invoke(app, ["fit", *options[:4], "--out", str(tmp_path / "no")])
    assert (refused.exit_code, "--zones masks" in refused.output) == (2, True)
    fitted = CliRunner().invoke(app, ["fit", *options, "--epochs", "1", "--out", str(tmp_path / "fit")])
    assert fitted.exit_code == 0, fitted.output
    facts = json.loads((tmp_path / "fit" / "run.json").read_text())
    assert facts["train"]["zones_from_masks"] == facts["train"]["infected"] > 0
    export = ["export", str(tmp_path / "fit" / "last.ckpt"), *options[2:], "--out", str(tmp_path / "weights")]
    exported = CliRunner().invoke(app, export)
    assert exported.exit_code == 0, exported.output
    manifest = json.loads((tmp_path / "weights" / "manifest.json").read_text())
    assert manifest["training"]["train"]["zones_from_masks"] == facts["train"]["zones_from_masks"]
    compared = CliRunner().invoke(
        app, ["ablate", *options, "--only", "without-text", "--seeds", "1", "--out", str(tmp_path / "t")]
    )
    assert "| without text |" in compared.stdout


def test_a_fifth_of_the_patients_is_valid_where_the_data_have_none(kaggle):
    """Nobody is in both."""
    train, valid = read_train_and_valid(kaggle, captions="original", zones="masks")
    assert {item.patient for item in train}.isdisjoint({item.patient for item in valid})
    assert len(train) + len(valid) == 12
    assert valid
