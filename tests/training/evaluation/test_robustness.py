"""What is measured is the changed image against the changed mask."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.support.networks import one_pass_network
from tests.training.builders import small_data_set, small_normals
from training.cli import app
from training.data import load_image, load_mask, read_normals, read_split
from training.evaluation.evaluate import evaluate
from training.evaluation.robustness import CHANGES, FIGURES, robustness, table_of

MOVING = ("smaller, in black", "larger", "turned by 10 degrees")


@pytest.fixture
def items(tmp_path):
    return read_split(small_data_set(tmp_path / "data"), "train")


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_grey_values_leaves_the_mask_and_a_movement_moves_it(items, name):
    """The bright blobs lie under the mask before and after."""
    image = torch.from_numpy(load_image(items[0]).astype(np.float32) / 255)[None]
    mask = torch.from_numpy(load_mask(items[0]))[None]

    changed, marked = CHANGES[name](image, mask)

    assert (changed.shape, marked.shape, marked.dtype) == (image.shape, mask.shape, torch.bool)
    assert (not torch.equal(changed, image)) == (name != "as it is")
    assert torch.equal(marked, mask) == (name not in MOVING)
    assert changed[marked].median() > changed[~marked].median()
    assert 0 <= changed.min() <= changed.max() <= 1


def test_nothing_is_marked_under_a_border(items):
    """Nobody can find what is hidden."""
    everything = torch.ones(1, 224, 224, dtype=torch.bool)

    image, marked = CHANGES["black border of 10 %"](torch.ones(1, 224, 224), everything)

    assert torch.equal(marked, image > 0)
    assert marked.sum() == (224 - 2 * 22) ** 2


def test_as_it_is_gives_what_evaluate_gives(items, tmp_path):
    """Both use the network in the same way."""
    normals = read_normals(small_normals(tmp_path / "normals"), "train")
    network = one_pass_network()

    row = robustness(network, items, normals, changes={"as it is": CHANGES["as it is"]})["as it is"]
    figures = evaluate(network, items, normals)
    figures["any_finding_rate"] = figures["normals"]["any_finding_rate"]

    assert row == {name: pytest.approx(figures[name]) for name in FIGURES}


def test_an_item_whose_region_is_hidden_is_left_out(items):
    """Nothing can be found there, so nothing is missed."""

    def hide(image, mask):
        return image, mask & (not torch.equal(mask[0], hidden))

    hidden = torch.from_numpy(load_mask(items[0]))
    rest = [item for item in items if not np.array_equal(load_mask(item), hidden.numpy())]
    network = one_pass_network()

    rows = robustness(network, items, [], changes={"hidden": hide})
    others = robustness(network, rest, [], changes={"hidden": hide})

    assert 0 < len(rest) < len(items)
    assert rows == {"hidden": {name: pytest.approx(value) for name, value in others["hidden"].items()}}


def test_what_was_not_measured_is_no_figure():
    """Without captions and normals there is a dash, not a number."""
    assert table_of({"as it is": {"dice_micro": 0.5, "dice_mean": 0.25, "sensitivity": 1.0}}).endswith(
        "| as it is | 0.500 | 0.250 | - | 1.000 | - |"
    )


def test_the_command_says_what_it_measured(tmp_path, monkeypatch):
    """One image in so many, by which weights."""
    data, normals = small_data_set(tmp_path / "data"), small_normals(tmp_path / "normals")
    monkeypatch.setattr(
        "training.evaluation.robustness.CHANGES", {name: CHANGES[name] for name in ("as it is", "gamma 2")}
    )
    arguments = ["--data", data, "--normals", normals, "--every", 2, "--json", tmp_path / "r.json"]

    result = CliRunner().invoke(app, ["robustness", *map(str, arguments)])

    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "r.json").read_text())
    assert (written["images"], written["normals"], written["split"]) == (2, 1, "valid")
    assert "gamma 2" in result.output
