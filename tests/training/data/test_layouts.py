"""The three layouts give the same data, and the error for another folder names what was looked for."""

import json
import shutil

import numpy as np
import pytest
from openpyxl import load_workbook
from PIL import Image

from tests.training.builders import as_kaggle, as_lvit, draw, small_data_set, small_normals
from training.data import (
    NEAR_DUPLICATES,
    DataError,
    load_image,
    load_mask,
    read_normals,
    read_split,
    survey_split,
)


@pytest.fixture
def sgseg(tmp_path):
    return small_data_set(tmp_path / "sgseg", train=4, valid=2, test=3)


def contents(items):
    """Give everything of an item but its folder."""
    return sorted(
        (item.name, item.zones, item.caption, load_image(item).sum(), load_mask(item).sum()) for item in items
    )


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_lvits_folders_hold_what_sgsegs_hold(sgseg, tmp_path, split):
    """The same images, masks and captions, read from sheets instead of JSON; Val_Folder is valid."""
    folder = as_lvit(sgseg, tmp_path / "lvit")

    assert contents(read_split(folder, split)) == contents(read_split(sgseg, split))


@pytest.mark.parametrize("split", ["train", "test"])
def test_kaggles_folders_have_no_captions_and_so_no_zones(sgseg, tmp_path, split):
    """No caption names the zones: they are unknown and not absent, and `known_zones` raises."""
    items = read_split(as_kaggle(sgseg, tmp_path / "kaggle"), split)

    expected = read_split(sgseg, split)
    assert [item.name for item in items] == sorted(item.name for item in expected)
    assert sum(load_mask(item).sum() for item in items) == sum(load_mask(item).sum() for item in expected)
    assert {item.zones for item in items} == {None}
    with pytest.raises(DataError, match="caption"):
        _ = items[0].known_zones


def test_prompts_beside_kaggles_folders_say_captions_and_valid(sgseg, tmp_path):
    """The SGSeg release's captions with Kaggle's images: valid is taken out of the Train Set."""
    root = as_kaggle(sgseg, tmp_path / "kaggle") / "QaTa-COV19" / "QaTa-COV19-v2"
    for kind, place in (("images", "Images"), ("masks", "Ground-truths")):
        shutil.copytree(sgseg / "images" / "valid" / kind, root / "Train Set" / place, dirs_exist_ok=True)
    shutil.copytree(sgseg / "prompts", root / "prompts")

    assert contents(read_split(root, "train")) == contents(read_split(sgseg, "train"))
    assert contents(read_split(root, "valid")) == contents(read_split(sgseg, "valid"))
    assert not survey_split(root, "train").dropped


def test_a_split_that_the_captions_do_not_know_is_read_without_zones(sgseg):
    """A new split needs only its images and masks."""
    shutil.copytree(sgseg / "images" / "test", sgseg / "images" / "elsewhere")

    items = read_split(sgseg, "elsewhere")

    assert len(items) == 3
    assert {item.zones for item in items} == {None}


def test_a_split_without_original_captions_is_read_with_the_refined(sgseg):
    """If a release lacks the original captions, the refined ones are used, and the log says so."""
    path = sgseg / "prompts" / "original_captions.json"
    path.write_text(json.dumps({"train": json.loads(path.read_text())["train"]}))

    survey = survey_split(sgseg, "test", captions="original")

    assert [item.zones for item in survey.items] == [
        item.zones for item in read_split(sgseg, "test", captions="refined")
    ]
    assert len(survey.other_caption) == 3


def test_names_fit_whatever_their_case(sgseg):
    """The releases write sub-S09345 here and sub-s09345 there."""
    expected = contents(read_split(sgseg, "test"))
    for path in (sgseg / "images" / "test" / "images").glob("*.png"):
        path.rename(path.with_name(path.name.replace("sub-s", "sub-S")))

    assert contents(read_split(sgseg, "test")) == expected


def test_an_unknown_folder_says_what_was_looked_for(tmp_path):
    """No layout fits: the signs of each are named."""
    with pytest.raises(DataError, match=r"images/\*/images.*Set/Images.*Folder/img"):
        read_split(tmp_path, "train")


def test_a_sheet_without_its_columns_is_refused(sgseg, tmp_path):
    """The captions of another sheet belong to no image."""
    folder = as_lvit(sgseg, tmp_path / "lvit")
    path = folder / "Test_Folder" / "Test_text.xlsx"
    book = load_workbook(path)
    book.active["B1"] = "Text"
    book.save(path)

    with pytest.raises(DataError, match="description"):
        read_split(folder, "test")


def test_a_near_duplicate_is_dropped_from_train_in_every_layout(sgseg, tmp_path):
    """And the survey says why."""
    name = sorted(NEAR_DUPLICATES)[0]
    for folder in (as_kaggle(sgseg, tmp_path / "kaggle"), as_lvit(sgseg, tmp_path / "lvit")):
        for place in sorted(folder.rglob("Images")) + sorted(folder.rglob("img")):
            shutil.copy(next(place.glob("*.png")), place / f"{name}.png")
        for place in sorted(folder.rglob("Ground-truths")) + sorted(folder.rglob("labelcol")):
            shutil.copy(next(place.glob("*.png")), place / f"mask_{name}.png")

        train, test = survey_split(folder, "train"), survey_split(folder, "test")

        assert "another split" in train.dropped[name]
        assert name not in {item.name for item in train.items}
        assert name in {item.name for item in test.items}


def test_an_image_of_another_size_is_resized_with_its_mask(sgseg):
    """Masks stay 0 or 1 and keep their share of the image."""
    item = read_split(sgseg, "test")[0]
    before = load_mask(item).mean()
    for path in (item.image, item.mask):
        with Image.open(path) as image:
            image.resize((448, 336), Image.Resampling.NEAREST).save(path)

    assert load_image(item).shape == load_mask(item).shape == (224, 224)
    assert abs(load_mask(item).mean() - before) < 0.01


def test_normals_without_splits_serve_for_measuring_only(tmp_path):
    """With one folder for train and valid, a model would be calibrated on images that it learned."""
    draw(tmp_path / "one.png", np.zeros((224, 224)))

    assert len(read_normals(tmp_path, "test", undivided=True)) == 1
    with pytest.raises(DataError, match="train"):
        read_normals(tmp_path, "train")


def test_a_split_of_normals_is_preferred_to_the_folder_around_it(tmp_path):
    """`undivided` matters only where there is no such split."""
    folder = small_normals(tmp_path, train=2, valid=3)

    assert len(read_normals(folder, "valid", undivided=True)) == 3


def test_an_image_of_twelve_bits_is_not_cut_off_at_eight(sgseg):
    """Pillow's own conversion would leave it white; stretched, it is the same image to the network."""
    item = read_split(sgseg, "test")[0]
    before = load_image(item).astype(float)
    Image.fromarray((before * 16).astype(np.uint16)).save(item.image)

    after = load_image(item).astype(float)

    assert (after.min(), after.max()) == (0, 255)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.9999


def test_a_mask_of_ones_is_a_mask_and_one_of_shades_is_refused(sgseg):
    """Read against 127, both would be empty, and every region missed."""
    item = read_split(sgseg, "test")[0]
    before = load_mask(item)
    assert before.any()
    for ones in (np.uint8(1), np.uint16(1), np.uint16(65535)):
        Image.fromarray(before * ones).save(item.mask)
        assert np.array_equal(load_mask(item), before)

    Image.fromarray((before * 100).astype(np.uint8)).save(item.mask)
    with pytest.raises(DataError, match="0 to 100"):
        load_mask(item)


def test_what_no_caption_names_belongs_to_the_split_all_the_same(sgseg):
    """An image with its mask is measured, its zones unknown: captions of a part do not shrink the split."""
    path = sgseg / "prompts" / "annotation.json"
    rows = json.loads(path.read_text())
    (sgseg / "prompts" / "original_captions.json").unlink()
    fewer = {**rows, "test": rows["test"][1:]}
    path.write_text(json.dumps(fewer))

    survey = survey_split(sgseg, "test")

    assert len(survey.items) == 3
    assert len(survey.without_zones) == 1
    assert not survey.dropped


@pytest.mark.parametrize(("lost", "why"), [("images", "it has no image"), ("masks", "it has no mask")])
def test_what_is_no_pair_is_left_out_and_warned_of(sgseg, caplog, lost, why):
    """It is not measured, and the log says that not all files were."""
    shutil.rmtree(sgseg / "prompts")
    place = sgseg / "images" / "test" / lost
    next(place.glob("*.png")).unlink()

    survey, items = survey_split(sgseg, "test"), read_split(sgseg, "test")

    assert len(items) == 2
    assert list(survey.dropped.values()) == [why]
    assert "left out 1" in caplog.text
