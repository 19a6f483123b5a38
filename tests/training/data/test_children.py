"""Films of children are no adult normals: one rule, for every caller."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.support.data_folder import DATA, needs_data
from tests.training.builders import draw, small_data_set, small_normals
from training.cli import app
from training.data import DataError, read_children, read_normals, read_split
from training.data.children import WHY, shows_child
from training.data.inventory import manifest_of, summary_of
from training.loop.run_facts import facts_of


@pytest.fixture
def normals(tmp_path):
    """Two adults in each split, and in train the first and the last child."""
    folder = small_normals(tmp_path / "normals")
    for name in ("normal_1", "normal_500"):
        draw(folder / "train" / f"{name}.png", np.full((224, 224), 90))
    return folder


@pytest.mark.parametrize(
    ("name", "child"),
    [
        *(("normal_1", True), ("normal_500", True), ("Normal-12", True)),
        *(("normal_501", False), ("normal_0", False), ("site_12", False), ("normal_12_left", False)),
    ],
)
def test_the_number_tells_a_child(name, child):
    """As the database names its films; other names are nobody's children."""
    assert shows_child(name) is child


def test_normals_are_adults_and_children_are_read_apart(normals):
    """No film is in both, and none is lost."""
    adults, children = read_normals(normals, "train"), read_children(normals, "train")

    assert [item.name for item in adults] == ["normal_501", "normal_502"]
    assert [item.name for item in children] == ["normal_1", "normal_500"]
    assert read_children(normals, "valid") == []


def test_a_folder_of_children_alone_has_no_normals(tmp_path):
    """A site that numbered its own films from 1 is told so, and does not train without normals unnoticed."""
    draw(tmp_path / "train" / "normal_7.png", np.full((224, 224), 90))

    with pytest.raises(DataError, match=r"names of children .* rename your own films"):
        read_normals(tmp_path, "train")


def test_facts_of_a_run_say_how_many_were_left_out_and_why(normals):
    """Without children the facts are those of older runs, so that these can be resumed."""
    items = read_normals(normals, "train")

    assert facts_of(items, children_left_out=2)["left_out"] == {"children": 2, "why": WHY}
    assert set(facts_of(items)) == {"infected", "normal", "digest"}


def test_a_run_counts_the_children(normals, tmp_path, monkeypatch):
    """From the command to run.json: the number reaches the run."""
    given = {}
    monkeypatch.setattr("training.loop.fit.fit", lambda recipe, train, valid, run: given.update(vars_of(run)))
    data = small_data_set(tmp_path / "data")

    arguments = ["fit", "--recipe", "smoke", "--data", data, "--normals", normals, "--out", tmp_path / "run"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])

    assert result.exit_code == 0, result.output
    assert given["children_left_out"] == 2


def vars_of(run):
    return {name: getattr(run, name) for name in run.__slots__}


def test_the_manifest_of_the_data_names_the_children(normals, tmp_path):
    """They are neither among the images nor in the digest that a run learns from."""
    data = small_data_set(tmp_path / "data", train=2, valid=1)

    manifest = manifest_of(data, normals)

    assert manifest["children"] == {"train": ["normal_1", "normal_500"], "valid": []}
    assert not {"normal_1", "normal_500"} & {row["name"] for row in manifest["images"]}
    learned = read_split(data, "train") + read_normals(normals, "train")
    assert manifest["train_digest"] == facts_of(learned)["digest"]
    assert "train: left out 2 normal images, each of a child of one to five" in summary_of(manifest)
    json.dumps(manifest)


@needs_data
def test_the_real_normals():
    """37 children in train and 12 in valid, as the data's README says."""
    counts = {
        split: (len(read_normals(DATA / "normals", split)), len(read_children(DATA / "normals", split)))
        for split in ("train", "valid")
    }

    assert counts == {"train": (663, 37), "valid": (188, 12)}
