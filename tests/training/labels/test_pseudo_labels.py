"""Location phrases become zone labels: clusters, majorities, noise, and the file of labels."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sgseg_dicom.zones import zones_of
from tests.support.data_folder import DATA, needs_data
from tests.training.builders import small_data_set
from training.cli import app
from training.data import DataError, Item, read_split
from training.labels.pseudo_labels import embed, location_phrase, pseudo_label, with_labels, write_labels
from training.start.pretrained import load_text_encoder


@pytest.fixture(scope="module")
def encoder():
    return load_text_encoder("minilm")


def item(number: int, phrase: str) -> Item:
    caption = f"unilateral pulmonary infection, one infected area, {phrase}."
    return Item(
        name=f"i{number}", image=Path("i.png"), mask=Path("m.png"), zones=zones_of(caption), caption=caption
    )


def items_of(*phrases: str) -> list[Item]:
    return [item(number, phrase) for number, phrase in enumerate(phrases)]


def test_the_location_is_the_captions_last_part():
    """Counts and spread are not clustered."""
    caption = "Bilateral pulmonary infection, two infected areas, lower left lung and upper right lung."
    assert location_phrase(caption) == "lower left lung and upper right lung"


def test_padding_does_not_enter_an_embedding(encoder):
    """The mean over the tokens that are there is the same however long the other phrases are."""
    alone = embed(["lower left lung"], encoder)
    beside = embed(
        ["lower left lung", "upper middle lower left lung and upper middle lower right lung"], encoder
    )
    assert np.allclose(alone[0], beside[0], atol=1e-5)


def test_phrases_that_stand_often_become_their_own_labels(encoder):
    """Each cluster takes the zones that its captions name."""
    items = items_of(
        *["lower left lung"] * 5, *["all right lung"] * 5, *["upper left lung and lower right lung"] * 5
    )
    labels = pseudo_label(items, encoder)
    assert labels.zones == tuple(item.zones for item in items)
    assert len(set(labels.cluster_of)) == 3


def test_noise_takes_the_zones_of_the_nearest_cluster(encoder):
    """A phrase that stands once belongs to no cluster, and still gets a label."""
    items = items_of(*["lower left lung"] * 5, *["upper right lung"] * 5, "the lower left lung")
    labels = pseudo_label(items, encoder)
    assert labels.zones[-1] == zones_of("lower left lung")


def test_the_majority_wins_within_a_cluster(encoder):
    """One caption whose zones were read otherwise does not change the label of its phrase."""
    items = items_of(*["lower left lung"] * 5, *["upper right lung"] * 5)
    items[0] = replace(items[0], zones=zones_of("upper left lung"))
    assert pseudo_label(items, encoder).zones[0] == zones_of("lower left lung")


def test_labels_come_back_from_their_file(encoder, tmp_path):
    """What fit reads is what was clustered; a normal radiograph keeps its empty zones."""
    items = items_of(*["lower left lung"] * 5, *["upper right lung"] * 5)
    write_labels(items, pseudo_label(items, encoder), tmp_path / "labels.json")
    normal = Item(name="n", image=Path("n.png"), mask=None, zones=(False,) * 6)
    wrong = [replace(item, zones=(True,) * 6) for item in items]
    assert with_labels([*wrong, normal], tmp_path / "labels.json") == [*items, normal]


def test_an_item_without_label_is_named(tmp_path):
    """Labels of another split are refused."""
    (tmp_path / "labels.json").write_text(json.dumps({"other": "100000"}))
    with pytest.raises(DataError, match="for example i0"):
        with_labels(items_of("lower left lung"), tmp_path / "labels.json")


@needs_data
def test_the_real_labels_agree_with_the_grammar(encoder):
    """On the real train split 99 % of the pseudo-labels are the grammar's."""
    items = read_split(DATA / "QaTa", "train")
    zones = pseudo_label(items, encoder).zones
    agree = np.mean([label == item.zones for label, item in zip(zones, items, strict=True)])
    assert agree > 0.99


def test_a_file_that_holds_no_labels_is_named(tmp_path):
    """Missing, or not JSON."""
    for content in (None, "labels"):
        if content is not None:
            (tmp_path / "labels.json").write_text(content)
        with pytest.raises(DataError, match=r"labels\.json cannot be read"):
            with_labels(items_of("lower left lung"), tmp_path / "labels.json")


def test_another_text_encoder_can_be_named(tmp_path):
    """CXR-BERT is in a folder of the user; a wrong folder is named."""
    data = small_data_set(tmp_path / "data")
    command = ["pseudo-label", "--data", str(data), "--out", str(tmp_path / "labels.json")]

    result = CliRunner().invoke(app, [*command, "--text-encoder", str(tmp_path / "nowhere")])

    assert result.exit_code == 2
    assert str(tmp_path / "nowhere") in result.output
