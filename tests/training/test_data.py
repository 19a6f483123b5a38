"""Captions become patient laterality, and nothing is trained on that stands in another split."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sgseg_dicom.zones import ZONES, Laterality
from tests.data_folder import DATA, needs_data
from tests.training.builders import small_data_set, small_normals
from training.data import NEAR_DUPLICATES, DataError, digest_of, load_mask, read_normals, read_split


@needs_data
def test_one_sided_captions_lie_over_the_patients_side():
    """
    The patient's right lung is in the image's left half: where the zones name one lung, its half has the mask.
    """
    items = read_split(DATA / "QaTa", "valid")
    shares = []
    for item in items:
        sides = {zone.laterality for zone, present in zip(ZONES, item.zones, strict=True) if present}
        if len(sides) == 1:
            mask = load_mask(item)
            half = mask[:, :112] if sides == {Laterality.RIGHT} else mask[:, 112:]
            shares.append(half.sum() / mask.sum())

    assert len(shares) > 100
    assert np.mean(shares) > 0.95


@needs_data
def test_the_real_splits_are_read_whole():
    """5,716 images of train less four near-duplicates, and 1,429 of valid, each with a zone."""
    train, valid = read_split(DATA / "QaTa", "train"), read_split(DATA / "QaTa", "valid")

    assert (len(train), len(valid)) == (5712, 1429)
    assert not NEAR_DUPLICATES & {item.name for item in train}
    assert all(any(item.zones) for item in train + valid)
    assert not {item.patient for item in train} & {item.patient for item in valid}


def test_a_captions_left_is_the_patients_right_however_it_is_written(tmp_path):
    """ "Left", "left," or a tab: the image's left is the patient's right."""
    folder = small_data_set(tmp_path, train=1)
    path = folder / "prompts" / "annotation.json"
    rows = json.loads(path.read_text())
    rows["train"][0]["caption"] = "Unilateral pulmonary infection, one infected area,  lower Left lung."
    path.write_text(json.dumps(rows))

    (item,) = read_split(folder, "train", captions="refined")

    assert [zone.name for zone, present in zip(ZONES, item.zones, strict=True) if present] == ["right lower"]


def test_an_original_caption_that_cannot_be_read_gives_way_to_the_refined_one(tmp_path):
    """ "all lung and all right lung" names no side: the refined caption is taken."""
    folder = small_data_set(tmp_path)
    expected = [item.zones for item in read_split(folder, "train", captions="refined")]
    path = folder / "prompts" / "original_captions.json"
    captions = json.loads(path.read_text())
    names = list(captions["train"])
    captions["train"][names[0]] = (
        "bilateral pulmonary infection, two infected areas, all lung and all right lung."
    )
    captions["train"][names[1]] = None
    path.write_text(json.dumps(captions))

    assert [item.zones for item in read_split(folder, "train", captions="original")] == expected


def test_an_unknown_split_names_the_known_ones(tmp_path):
    """A typing error says what is there."""
    with pytest.raises(DataError, match="train"):
        read_split(small_data_set(tmp_path), "trian")


def test_a_missing_image_is_named(tmp_path):
    """A hole in the data is not passed over."""
    folder = small_data_set(tmp_path)
    victim = next((folder / "images" / "train" / "images").glob("*.png"))
    victim.unlink()

    with pytest.raises(DataError, match=victim.name):
        read_split(folder, "train")


def test_normals_have_neither_mask_nor_zone(tmp_path):
    """What is normal is empty."""
    items = read_normals(small_normals(tmp_path), "train")

    assert len(items) == 2
    assert not any(any(item.zones) or load_mask(item).any() for item in items)


def test_the_digest_changes_with_one_zone(tmp_path):
    """Two runs on other labels are two data sets."""
    items = read_split(small_data_set(tmp_path), "train")
    flipped = [*items[:-1], replace(items[-1], zones=tuple(not zone for zone in items[-1].zones))]

    assert digest_of(items) == digest_of(list(reversed(items)))
    assert digest_of(items) != digest_of(flipped)
