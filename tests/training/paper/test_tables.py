"""The methods of the paper's tables: each learns, predicts masks, and is measured once."""

import json

import pytest
import torch

from sgseg_dicom.errors import ConfigError
from tests.training.builders import small_data_set
from training.data import read_split
from training.loop.batches import LoadedItems, PlainBatches
from training.paper.methods import methods_of
from training.paper.tables import measure_methods, measured, table_of
from training.paper.text_guided import CONTRASTIVE_SHARE
from training.recipe import load_recipe

NAMES = [*methods_of("1", load_recipe("smoke")), *methods_of("2", load_recipe("smoke"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_data_set(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(folder):
    """Give a batch as for measuring."""
    return next(iter(PlainBatches(LoadedItems(read_split(folder, "train")), batch_size=2)))


@pytest.fixture(scope="module")
def batch(whole):
    """Give a batch as for training; it is smaller."""
    size = load_recipe("smoke").phases[0].size
    return whole._replace(images=whole.images[..., :size, :size], masks=whole.masks[..., :size, :size])


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def method_of(name: str):
    recipe = load_recipe("smoke")
    return (methods_of("1", recipe) | methods_of("2", recipe))[name]()


@pytest.mark.parametrize("name", NAMES)
def test_a_method_learns_and_predicts_masks(name, batch, whole):
    """Its losses are finite and reach its parameters; its masks have the size of what is measured."""
    method = method_of(name)
    torch.stack(list(method.losses(batch, 1.0, rng()).values())).sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())
    with torch.inference_mode():
        masks, zones = method.eval().predict(whole)
    assert masks.shape == whole.masks.shape
    assert masks.isfinite().all()
    assert (zones is not None) == name.startswith("self-guidance")


def test_language_pretraining_contrasts_first(batch):
    """The mask is learned only after the contrastive share of the budget."""
    method = method_of("vision-language pre-training")
    assert set(method.losses(batch, 0.0, rng())) == {"contrast"}
    assert set(method.losses(batch, CONTRASTIVE_SHARE, rng())) == {"mask"}


def test_full_text_uses_the_true_report(batch):
    """Another report gives another mask; without text it makes no difference."""
    other = batch._replace(zones=1 - batch.zones)
    with torch.inference_mode():
        with_text, without = method_of("full text").eval(), method_of("without text").eval()
        assert not torch.equal(with_text.predict(batch)[0], with_text.predict(other)[0])
        assert torch.equal(without.predict(batch)[0], without.predict(other)[0])


def test_a_measured_method_is_not_run_again(folder, tmp_path, monkeypatch):
    """Rows come from the finished runs; another recipe is refused."""
    recipe = load_recipe("smoke")
    train, valid = read_split(folder, "train"), read_split(folder, "valid")
    name = "self-guidance, simple report"
    methods = {name: methods_of("2", recipe)[name]}
    first = measure_methods(methods, recipe, train, valid, out=tmp_path)
    again = measure_methods({name: lambda: pytest.fail("ran again")}, recipe, train, valid, out=tmp_path)
    assert first == again
    assert first[0]["images"] == len(valid)
    assert name in table_of(first)
    assert (
        measured(["U-Net", name], out=tmp_path) == first
    )  # what was not run has no row, what was run keeps its own
    with pytest.raises(ConfigError, match="another recipe"):
        measure_methods(methods, recipe.model_copy(update={"seed": 8}), train, valid, out=tmp_path)


def test_an_unfinished_run_goes_on_with_the_same_data_only(folder, tmp_path):
    """A checkpoint of other images is refused, whether or not its figures were written."""
    recipe = load_recipe("smoke")
    train = read_split(folder, "train")
    name = "without text"
    methods = {name: methods_of("2", recipe)[name]}
    measure_methods(methods, recipe, train, train, out=tmp_path)
    (tmp_path / "without-text" / "result.json").unlink()
    with pytest.raises(ConfigError, match="another train"):
        measure_methods(methods, recipe, train[1:], train, out=tmp_path)


def test_a_report_that_does_not_exist_has_no_figures(tmp_path, folder):
    """An image-only method has no zone accuracy, rather than one of zero."""
    recipe = load_recipe("smoke")
    methods = {"without text": methods_of("2", recipe)["without text"]}
    items = read_split(folder, "valid")
    row = measure_methods(methods, recipe, items, items, out=tmp_path)[0]
    assert row["zone_accuracy"] is None
    assert json.loads((tmp_path / "without-text" / "result.json").read_text()) == row | {
        "dice_micro_ci": list(row["dice_micro_ci"])
    }


def test_a_method_is_judged_at_the_size_it_learned(tmp_path, folder, monkeypatch):
    """Its masks are compared at the size of the data, but it gets images of the recipe's size, as in training."""
    recipe = load_recipe("smoke")
    method = method_of("without text")
    sizes = []
    predict = method.predict

    def watched(batch):
        sizes.append(tuple(batch.images.shape[-2:]))
        return predict(batch)

    monkeypatch.setattr(method, "predict", watched)
    items = read_split(folder, "valid")
    row = measure_methods({"without text": lambda: method}, recipe, items, items, out=tmp_path)[0]
    assert set(sizes) == {(recipe.phases[-1].size,) * 2}
    assert row["images"] == len(items)
