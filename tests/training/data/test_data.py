"""Captions become patient laterality, and no training uses an image that is in another split."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from openpyxl import load_workbook

from sgseg_dicom.zones import ZONES, Laterality
from tests.support.data_folder import DATA, needs_data
from tests.training.builders import as_lvit, draw, small_data_set, small_normals
from training.data import (
    NEAR_DUPLICATES,
    DataError,
    digest_of,
    load_mask,
    read_captioned,
    read_normals,
    read_split,
    survey_split,
)
from training.data.inventory import manifest_of


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


@pytest.mark.parametrize(("lost", "why"), [("images", "it has no image"), ("masks", "it has no mask")])
def test_an_incomplete_pair_is_dropped_and_named(tmp_path, caplog, lost, why):
    """A caption names it: the other images are read, the reason is given, and an empty folder is refused."""
    folder = small_data_set(tmp_path, train=3)
    place = folder / "images" / "train" / lost
    victim = next(place.glob("*.png"))
    victim.unlink()

    survey = survey_split(folder, "train")

    assert len(read_split(folder, "train")) == len(survey.items) == 2
    assert survey.dropped == {victim.stem.removeprefix("mask_"): f"{why}, though a caption names it"}
    assert "left out 1" in caplog.text
    for path in place.glob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match="has no mask of an image"):
        read_split(folder, "train")


def test_what_learns_from_zones_leaves_out_who_has_none(tmp_path, caplog):
    """One empty cell of a sheet does not stop a run; a folder without any caption does."""
    folder = as_lvit(small_data_set(tmp_path / "sgseg", train=3), tmp_path / "lvit")
    sheet = folder / "Train_Folder" / "Train_text.xlsx"
    book = load_workbook(sheet)
    book.active["B2"], book.active["B3"] = None, 7
    book.save(sheet)

    assert len(read_split(folder, "train")) == 3
    assert len(read_captioned(folder, "train")) == 1
    assert "2 images without zones are not used" in caplog.text
    sheet.unlink()
    with pytest.raises(DataError, match="no caption names the zones"):
        read_captioned(folder, "train")


@pytest.mark.parametrize("damage", ["cut off", "empty"])
@pytest.mark.parametrize("kind", ["images", "masks"])
def test_an_image_that_cannot_be_read_is_named(tmp_path, kind, damage):
    """Of thousands: `prepare` finds it before a run does."""
    folder = small_data_set(tmp_path, train=2)
    victim = next((folder / "images" / "train" / kind).glob("*.png"))
    content = victim.read_bytes()
    victim.write_bytes(content[: len(content) // 2] if damage == "cut off" else b"")

    with pytest.raises(DataError, match=f"{victim.name} cannot be read as an image"):
        manifest_of(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"train": [{"image_path": "a.png"}]}', '{"train": [7]}'])
def test_captions_of_another_shape_are_named(tmp_path, content):
    """Cut off, or of another release."""
    folder = small_data_set(tmp_path)
    (folder / "prompts" / "annotation.json").write_text(content)

    with pytest.raises(DataError, match=r"annotation\.json cannot be read .* fetch it again"):
        read_split(folder, "train")


def test_two_files_of_one_name_are_refused(tmp_path):
    """It is unknown which one the mask belongs to."""
    folder = small_data_set(tmp_path)
    image = next((folder / "images" / "train" / "images").glob("*.png"))
    shutil.copy(image, image.with_suffix(".JPG"))

    with pytest.raises(DataError, match="have one name"):
        read_split(folder, "train")


def test_notes_of_an_operating_system_are_no_images(tmp_path):
    """macOS leaves "._image.png" beside what it unpacks."""
    folder, normals = small_data_set(tmp_path / "qata", train=2), small_normals(tmp_path / "normals")
    for place in (folder / "images" / "train" / "images", normals / "train"):
        (place / "._x.png").write_bytes(b"note")
    (folder / "images" / "train" / "masks" / "notes.tif").write_bytes(b"tif")

    survey = survey_split(folder, "train")

    assert len(survey.items) == len(read_normals(normals, "train")) == 2
    assert survey.dropped == {"notes.tif": "it is none of .jpeg, .jpg, .png"}


def test_normals_of_a_split_that_is_not_there_say_which_are(tmp_path):
    """For `evaluate --split test`: the splits that are there can be named themselves."""
    normals = small_normals(tmp_path)

    with pytest.raises(DataError, match=r"it has \['train', 'valid'\]; name one of these"):
        read_normals(normals, "test", undivided=True)


def test_normals_have_neither_mask_nor_zone(tmp_path):
    """What is normal is empty."""
    items = read_normals(small_normals(tmp_path), "train")

    assert len(items) == 2
    assert not any(any(item.zones) or load_mask(item).any() for item in items)


def test_the_digest_changes_with_one_zone(tmp_path):
    """Other labels make another data set."""
    items = read_split(small_data_set(tmp_path), "train")
    flipped = [*items[:-1], replace(items[-1], zones=tuple(not zone for zone in items[-1].zones))]

    assert digest_of(items) == digest_of(list(reversed(items)))
    assert digest_of(items) != digest_of(flipped)


def test_the_digest_changes_with_a_mask(tmp_path):
    """Other masks make another data set."""
    items = read_split(small_data_set(tmp_path), "train")
    before = digest_of(items)
    draw(items[0].mask, 255 - 255 * load_mask(items[0]))

    assert digest_of(items) != before
