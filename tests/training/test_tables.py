"""The methods of the paper's tables: each learns, predicts masks, and is measured once."""

import json

import pytest
import torch

from tests.training.builders import small_data_set
from training.batches import LoadedItems, PlainBatches
from training.data import DataError, read_split
from training.methods import CONTRASTIVE_SHARE, methods_of
from training.recipe import load_recipe
from training.tables import measure_methods, table_of

NAMES = [*methods_of("1", load_recipe("smoke")), *methods_of("2", load_recipe("smoke"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_data_set(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def batch(folder):
    recipe = load_recipe("smoke")
    whole = next(iter(PlainBatches(LoadedItems(read_split(folder, "train")), batch_size=2)))
    size = recipe.phases[0].size
    return whole._replace(images=whole.images[..., :size, :size], masks=whole.masks[..., :size, :size])


def method_of(name: str):
    recipe = load_recipe("smoke")
    return (methods_of("1", recipe) | methods_of("2", recipe))[name]()


@pytest.mark.parametrize("name", NAMES)
def test_a_method_learns_and_predicts_masks(name, batch):
    """Its losses are finite and reach its parameters; its masks have the images' size."""
    method = method_of(name)
    torch.stack(list(method.losses(batch, done=1.0).values())).sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())
    with torch.inference_mode():
        masks, zones = method.eval().predict(batch)
    assert masks.shape == batch.masks.shape
    assert masks.isfinite().all()
    assert (zones is not None) == name.startswith("self-guidance")


def test_language_pretraining_contrasts_first(batch):
    """The mask is learned only after the contrastive share of the budget."""
    method = method_of("vision-language pre-training")
    assert set(method.losses(batch, done=0.0)) == {"contrast"}
    assert set(method.losses(batch, done=CONTRASTIVE_SHARE)) == {"mask"}


def test_full_text_looks_at_the_true_report(batch):
    """Another report gives another mask; without text it makes no difference."""
    other = batch._replace(zones=1 - batch.zones)
    with torch.inference_mode():
        told, untold = method_of("full text").eval(), method_of("without text").eval()
        assert not torch.equal(told.predict(batch)[0], told.predict(other)[0])
        assert torch.equal(untold.predict(batch)[0], untold.predict(other)[0])


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
    with pytest.raises(DataError, match="another recipe"):
        measure_methods(methods, recipe.model_copy(update={"seed": 8}), train, valid, out=tmp_path)


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
