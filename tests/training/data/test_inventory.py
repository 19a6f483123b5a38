"""The manifest lists the files of each image, and what should not be there."""

import hashlib
import shutil

import pytest

from tests.training.builders import as_kaggle, small_data_set, small_normals
from training.data import NEAR_DUPLICATES, read_normals, read_split
from training.data.inventory import manifest_of, summary_of
from training.loop.run_facts import facts_of


@pytest.fixture
def folders(tmp_path):
    return small_data_set(tmp_path / "qata", train=3, valid=2), small_normals(tmp_path / "normals")


def test_every_image_has_its_row(folders):
    """Relative paths, patient laterality, and the digests of the very files."""
    data, normals = folders

    rows = manifest_of(data, normals)["images"]

    assert [(row["split"], row["normal"]) for row in rows] == [
        *[("train", False)] * 3,
        *[("valid", False)] * 2,
        *[("train", True)] * 2,
        *[("valid", True)] * 2,
    ]
    item, row = read_split(data, "train")[0], rows[0]
    assert (data / row["image"], data / row["mask"]) == (item.image, item.mask)
    assert (row["caption"], row["zones"]) == (item.caption, "".join("01"[zone] for zone in item.zones))
    assert row["patient"] == "sub-s00000"
    assert row["image_sha256"] == hashlib.sha256(item.image.read_bytes()).hexdigest()
    assert row["mask_sha256"] == hashlib.sha256(item.mask.read_bytes()).hexdigest()
    assert rows[-1]["zones"] == "000000"


def test_the_digest_is_the_one_that_a_run_writes_down(folders):
    """With the data one can check whether a model card is about the same data."""
    data, normals = folders
    learned = read_split(data, "train") + read_normals(normals, "train")

    manifest = manifest_of(data, normals)

    assert manifest["train_digest"] == facts_of(learned)["digest"] != manifest_of(data)["train_digest"]
    assert manifest["train_digest"][:16] in summary_of(manifest)


def test_what_is_dropped_is_listed_with_its_reason(folders):
    """A near-duplicate of another split, and an image that no caption names."""
    data, _ = folders
    root = as_kaggle(data, data.parent / "kaggle")
    name = sorted(NEAR_DUPLICATES)[0]
    place = root / "QaTa-COV19" / "QaTa-COV19-v2" / "Train Set"
    for folder, target in (("Images", name), ("Ground-truths", f"mask_{name}")):
        shutil.copy(next((place / folder).glob("*.png")), place / folder / f"{target}.png")
    shutil.copy(next((place / "Images").glob("*.png")), place / "Images" / "alone.png")

    manifest = manifest_of(root)

    assert {row["name"]: row["why"] for row in manifest["dropped"]} == {
        name: "an image of another split is nearly the same",
        "alone": "it has no mask",
    }
    assert {row["zones"] for row in manifest["images"]} == {None}
    assert f"dropped from train: {name}: an image of another split" in summary_of(manifest)


def test_normals_are_listed_by_the_splits_of_their_folder(folders):
    """Splits where there are some, else all images as one; other folders beside them are no radiographs."""
    data, normals = folders
    (normals / "masks").mkdir()
    shutil.copy(next((normals / "train").glob("*.png")), normals / "masks" / "lung.png")

    def splits_of_normals(folder):
        return {row["split"] for row in manifest_of(data, folder)["images"] if row["normal"]}

    assert splits_of_normals(normals) == {"train", "valid"}
    assert splits_of_normals(normals / "valid") == {"undivided"}


def test_a_patient_in_two_splits_is_reported(folders):
    """Patients of the builder are numbered alike in both splits: they cross, and the same image does once."""
    data, _ = folders
    train, valid = read_split(data, "train"), read_split(data, "valid")
    shutil.copy(train[0].image, valid[1].image)

    manifest = manifest_of(data)

    assert manifest["patients_crossing_splits"] == {
        "sub-s00000": ["train", "valid"],
        "sub-s00001": ["train", "valid"],
    }
    assert list(manifest["same_image"].values()) == [[f"train/{train[0].name}", f"valid/{valid[1].name}"]]
    assert "patient in two splits: sub-s00001" in summary_of(manifest)
