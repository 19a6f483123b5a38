"""The exported graph is compared with torch film by film; a stopped comparison goes on."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.release.graph import GRAPH_MANIFEST_FILE
from training.data import DataError, Item
from training.release import agreement
from training.release.agreement import FilmAgreement, measure_agreement, summary_of
from training.release.export_graph import export_graph


@pytest.fixture(scope="module")
def weights(tmp_path_factory, tiny_weights):
    folder = shutil.copytree(tiny_weights, tmp_path_factory.mktemp("agreement") / "weights")
    export_graph(folder)
    return folder


@pytest.fixture
def items(tmp_path):
    generator = np.random.default_rng(4)
    found = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}.png"
        Image.fromarray(generator.integers(0, 256, (224, 224), dtype=np.uint8)).save(path)
        found.append(Item(name=name, image=path, mask=None, zones=None))
    return found


def test_a_stopped_comparison_goes_on_and_its_figures_go_to_the_description(
    weights, items, tmp_path, monkeypatch
):
    """What is kept is not compared again; a line that was cut off is."""
    kept = tmp_path / "kept.jsonl"
    measure_agreement(weights, items[:1], kept=kept)
    with kept.open("a") as file:
        file.write('{"name": "tw')
    compared = []
    compare = agreement._compared

    def counting(open_items, *networks):
        compared.extend(item.name for item in open_items)
        return compare(open_items, *networks)

    monkeypatch.setattr(agreement, "_compared", counting)

    figures = measure_agreement(weights, items, kept=kept).agreement

    assert compared == ["two"]
    assert (figures["films"], figures["other_zones"], figures["other_findings"]) == (2, 0, 0)
    assert figures["least_dice"] > 0.99
    assert json.loads((weights / GRAPH_MANIFEST_FILE).read_text())["agreement"] == figures


def test_what_is_kept_of_another_graph_does_not_count(weights, items, tmp_path):
    """Its figures would be said of this one."""
    kept = tmp_path / "kept.jsonl"
    kept.write_text('{"graph": "another"}\n')

    with pytest.raises(DataError, match="is about another graph"):
        measure_agreement(weights, items, kept=kept)


def test_weights_without_a_graph_have_nothing_to_compare(tiny_weights, items, tmp_path):
    """The message says what makes it."""
    with pytest.raises(WeightsError, match="export-graph"):
        measure_agreement(tiny_weights, items, kept=tmp_path / "kept.jsonl")


def test_the_figures_are_those_of_the_worst_film():
    """A mean would hide it."""
    good = FilmAgreement(name="a", dice=1.0, zones=True, finding=True, lungs=1.0, mask_logits=0.001)
    bad = FilmAgreement(name="b", dice=0.5, zones=False, finding=False, lungs=0.7, mask_logits=2.0)

    figures = summary_of([good, bad])

    assert (figures["least_dice"], figures["least_lungs"]) == (0.5, 0.7)
    assert (figures["other_zones"], figures["other_findings"]) == (1, 1)
    assert figures["largest_mask_logit_difference"] == 2.0
