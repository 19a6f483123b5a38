"""A run leaves a part of the images out, and its model then predicts that part alone."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.release.manifest import packaged_weights
from tests.training.builders import small_data_set
from training.data import read_split
from training.data.folds import Fold, fold_at
from training.teacher_predictions import TeacherPredictions, ensemble_of, predict_unseen


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    return read_split(small_data_set(tmp_path_factory.mktemp("qata"), train=12), "train")


def test_every_image_is_in_one_part(items):
    """A run that leaves one part out learns from all others."""
    parts = [Fold(number, 3) for number in range(3)]

    assert [sum(part.holds(item) for part in parts) for item in items] == [1] * len(items)
    for part in parts:
        held = [item for item in items if part.holds(item)]
        assert 0 < len(held) < len(items)
        assert sorted(part.without(items) + held, key=str) == sorted(items, key=str)


def test_no_patient_is_in_two_parts(items):
    """A run learns either all images of a patient or none."""
    again = [replace(item, name=f"{item.patient}_another") for item in items]

    assert [Fold(0, 3).holds(item) for item in items] == [Fold(0, 3).holds(item) for item in again]


@pytest.mark.parametrize("written", ["4/4", "0/1", "1", "a/b", "-1/4", "0/4 "])
def test_a_part_that_is_none_is_refused(written):
    """The message shows how parts are written."""
    with pytest.raises(ConfigError, match="0/4"):
        fold_at(written)


def test_a_part_is_read_as_it_is_written():
    """Runs keep it as text."""
    assert fold_at(str(Fold(2, 4))) == Fold(2, 4)


def taught_without(part):
    """Give a teacher that left *part* out: only its history, which is all that `predict_unseen` uses."""
    members = [{"weights": "a" * 64, "left_out": part}]
    return SimpleNamespace(manifest=SimpleNamespace(training={"members": members}))


def test_each_teacher_predicts_the_part_that_it_left_out(items, monkeypatch):
    """Each item is predicted once; the result has the order of the items."""
    predicted = {}

    def predicts_its_number(teacher, held):
        (history,) = teacher.manifest.training["members"]
        predicted[history["left_out"]] = [item.name for item in held]
        result = predicts_nothing(teacher, held)
        return replace(result, zones=np.full_like(result.zones, int(history["left_out"][0])))

    monkeypatch.setattr("training.teacher_predictions.predict_by", predicts_its_number)

    predictions = predict_unseen([taught_without("1/2"), taught_without("0/2")], items)

    assert predictions.names == tuple(item.name for item in items)
    for item, zones in zip(items, predictions.zones, strict=True):
        number = 0 if Fold(0, 2).holds(item) else 1
        assert zones.tolist() == [number] * 6
        assert item.name in predicted[f"{number}/2"]
        assert item.name not in predicted[f"{1 - number}/2"]
    assert [teacher["left_out"] for teacher in predictions.teachers] == ["1/2", "0/2"]


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        (["0/2"], "0/2"),
        (["0/2", "0/2"], "each part must"),
        (["0/2", "1/3"], "each part must"),
        ([None, "1/2"], "learned from all"),
    ],
    ids=str,
)
def test_parts_that_are_not_whole_are_refused(items, parts, named):
    """Some image would have no prediction, or one by a model that learned from it."""
    with pytest.raises(ConfigError, match=named):
        predict_unseen([taught_without(part) for part in parts], items)


@pytest.mark.parametrize(
    ("began", "refused"),
    [
        (None, False),
        ({"weights": "b" * 64, "steps_done": 0}, False),  # `sgseg-train begin`: nothing was learned
        ({"weights": "b" * 64, "steps_done": 9, "left_out": "0/2"}, False),
        ({"weights": "b" * 64, "steps_done": 9}, True),
        ({"weights": "b" * 64, "steps_done": 9, "left_out": "1/2"}, True),
        ({"averaged": [{"left_out": "0/2"}, {"left_out": None}]}, True),
    ],
    ids=str,
)
def test_what_a_teacher_began_with_counts(items, monkeypatch, began, refused):
    """A run that began with weights which learned from the images has learned from them too."""
    monkeypatch.setattr("training.teacher_predictions.predict_by", predicts_nothing)
    first, second = taught_without("0/2"), taught_without("1/2")
    first.manifest.training["members"][0]["started_from"] = began

    if refused:
        with pytest.raises(ConfigError, match="began with"):
            predict_unseen([first, second], items)
    else:
        assert predict_unseen([first, second], items).names == tuple(item.name for item in items)


def predicts_nothing(teacher, held):
    """Predict that nothing is infected, without a network."""
    return TeacherPredictions(
        names=tuple(item.name for item in held),
        masks=np.zeros((len(held), 224, 224), dtype=np.uint8),
        zones=np.zeros((len(held), 6), dtype=np.float32),
        teachers=tuple(teacher.manifest.training["members"]),
    )


def test_the_weights_that_ship_learned_from_all(items):
    """So they cannot be teachers for images that they left out."""
    with pytest.raises(ConfigError, match="learned from all"):
        predict_unseen([ensemble_of([packaged_weights()])], items)
