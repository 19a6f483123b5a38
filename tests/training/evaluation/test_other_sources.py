"""The whole way of films of other hospitals, with stand-ins for the networks; and what is counted of it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from sgseg_dicom.applicability.image_check import ImageCheckScores, Limits
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.release.image_check_manifest import packaged_image_check, read_image_check_manifest
from sgseg_dicom.release.manifest import packaged_weights, read_manifest
from tests.support.predictions import ALGORITHM, IMAGE_LEFT, drawn_lungs, prediction, spot, with_lungs
from tests.training.builders import draw, small_normals
from tests.training.other_sources import small_other_sources
from training.cli import app
from training.data.brixia import read_brixia
from training.data.other_sources import read_other_sources
from training.evaluation.answers import Answer, WholeWay
from training.evaluation.brixia_agreement import brixia_agreement
from training.evaluation.film_as_radiograph import radiograph_of
from training.evaluation.kept_answers import KeptAnswers
from training.evaluation.people import people_table
from training.evaluation.source_figures import ALL, Answered, figures_by_source
from training.evaluation.source_tables import short_table, tables_of

JUDGE = {"weights": "a" * 64, "image_check": "b" * 64}


class Gate:
    """Refuses as "not chest" an image whose corner is its brightest place."""

    limits = Limits(blank=2, saturated=2, **dict.fromkeys(ImageCheckScores._fields, 1.0))

    def __call__(self, pixels):
        wrong = 9.0 if pixels[0, 0] == pixels.max() else -9.0
        return ImageCheckScores(wrong, -9, -9, -9, -9, -9)


class Model:
    """Marks the patient's right lung; finds it cut off in an image whose last corner is its darkest place."""

    algorithm = ALGORITHM
    manifest = read_manifest(packaged_weights())

    def __init__(self):
        self.batches = []

    def judge(self, inputs):
        self.batches.append(len(inputs))
        found = prediction(spot(*IMAGE_LEFT), zones=["right middle"])
        cut = with_lungs(found, drawn_lungs(right=(112, 0)))
        return [cut if one.pixels[-1, -1] == one.pixels.min() else found for one in inputs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Films as drawn; the image check refuses one of JSRT's and the lateral, and one of NIH's has a cut lung."""
    folder = small_other_sources(tmp_path_factory.mktemp("other"))
    for name in ("normal/jsrt__1", "lateral/cohen__side"):
        draw(folder / f"{name}.png", spoiled(corner=(slice(0, 9), slice(0, 9)), value=255))
    dark = spoiled(corner=(slice(-9, None), slice(-9, None)), value=0)
    draw(folder / "pneumonia" / "nih__00000009_003.png", dark)
    return folder


def spoiled(*, corner, value):
    pixels = np.random.default_rng(6).integers(40, 80, (96, 120))
    pixels[corner] = value
    return pixels


@pytest.fixture(scope="module")
def films(folder):
    return read_other_sources(folder)


@pytest.fixture(scope="module")
def answered(films):
    answers = [one for batch in WholeWay(Model(), Gate()).answers([f.item for f in films]) for one in batch]
    return [Answered(film, answer) for film, answer in zip(films, answers, strict=True)]


def answer_to(answered, name):
    return next(one.answer for one in answered if one.film.item.name == name)


def test_a_film_is_refused_by_its_look_or_its_lungs_or_judged(answered):
    """Each with its reason; one that is refused does not stop the others of its batch."""
    assert answer_to(answered, "jsrt__1") == Answer(refused="not-a-chest-image")
    assert answer_to(answered, "nih__00000009_003") == Answer(refused="cut-off")
    judged = answer_to(answered, "jsrt__2")
    assert (judged.refused, judged.finding, judged.zones) == ("", True, (False, True, *(False,) * 4))
    assert 0 < judged.share < 0.1
    assert sum(not one.answer.refused for one in answered) == len(answered) - 3


def test_a_film_goes_in_its_own_size_and_without_its_border(tmp_path, films):
    """As a DICOM image would: the network's grid is not the film's."""
    item = films[0].item
    assert radiograph_of(item).pixels.shape == (96, 120)
    bordered = np.zeros((96, 120))
    bordered[10:, :] = np.random.default_rng(1).integers(40, 80, (86, 120))
    draw(tmp_path / "x.png", bordered)

    radiograph = radiograph_of(replace(item, image=tmp_path / "x.png"))

    assert radiograph.extent.shape == (86, 120)
    assert radiograph.display.sides_are_stated


def test_the_figures_count_by_group_and_source(answered):
    """A refused film has no finding; a film that QaTa-COV19 has stands apart."""
    figures = figures_by_source(answered, [("qata", ""), ("qata", "mirrored")])

    found = {(row["group"], row["source"], not row["in_qata_train"]): row for row in figures["findings"]}
    assert found["normal", "jsrt", True]["found"]["count"] == 0
    assert found["normal", "jsrt", True]["refused"] == 1
    assert found["normal", "nih", True]["found"] | {"interval": None} == {
        **{"n": 2, "count": 2, "share": 1.0, "interval": None}
    }
    assert found["covid", "cohen", True]["found"]["n"] == 2
    assert found["covid", "cohen", False]["found"]["n"] == 1
    refused = {(row["group"], row["source"]): row["refused"]["share"] for row in figures["to_refuse"]}
    assert refused == {
        **{("lateral", "cohen"): 1.0, ("child", "cohen"): 0.0},
        **{("child", "kermany"): 0.0, ("child", "viral"): 0.0},
    }
    good = {row["source"]: row for row in figures["good_refused"]}
    assert list(good) == [ALL, "cohen", "jsrt", "nih", "qata"]
    assert (good[ALL]["refused"]["count"], good[ALL]["refused"]["n"]) == (3, 14)
    assert good[ALL]["reasons"] == {"not-a-chest-image": 1, "cut-off": 1, "mirrored": 1}


def test_the_figures_of_cohen_are_by_sex_age_and_view(answered):
    """Of infected films; what is not stated is a group of its own."""
    parts = figures_by_source(answered)["infected_of_cohen"]

    assert {row["value"]: row["found"]["n"] for row in parts["sex"]} == {"F": 1, "M": 3}
    assert {row["value"] for row in parts["age"]} == {"18 to 39", "40 to 59", "60 to 79", "not stated"}
    assert {row["value"] for row in parts["view"]} == {"PA", "AP", "AP Supine"}


def test_brixia_is_beside_both_radiologists(folder, films):
    """By hand: a has 3 zones of the senior's, b none; the model has the right middle one in each."""
    scores = read_brixia(folder)
    known = [film for film in films if film.item.name in scores]
    middle = (False, True, *(False,) * 4)
    answered = [
        Answered(film, Answer(finding=True, zones=middle, share=0.3 if film.item.name == "cohen__a" else 0.1))
        for film in known
    ]

    figures = brixia_agreement(answered, scores)

    assert (figures["scored"], figures["all"]["films"], figures["of_lungs"]) == (2, 2, False)
    assert figures["all"]["model"] == {"spearman": pytest.approx(1), "zone_bits": 9 / 12, "all_six": 0}
    assert figures["radiologists"] == {"spearman": pytest.approx(1), "zone_bits": 10 / 12, "all_six": 0}


def test_shares_of_lungs_and_of_images_are_not_mixed(folder, films):
    """Where not both lungs were found there is no share of them: the film does not count for the correlation."""
    scores = read_brixia(folder)
    known = [film for film in films if film.item.name in scores]
    answered = [Answered(film, Answer(share=0.2, of_lungs=place == 0)) for place, film in enumerate(known)]

    figures = brixia_agreement(answered, scores)

    assert (figures["of_lungs"], figures["all"]["films"], figures["all"]["shares"]) == (True, 2, 1)
    assert figures["all"]["model"]["spearman"] is None


def test_tables_are_written_of_all_figures(answered, folder):
    """Every row of the figures has its line; people stand beside the model."""
    figures = figures_by_source(answered)
    figures["brixia"] = brixia_agreement(answered, read_brixia(folder))

    text = tables_of(figures)

    assert "| normal | NIH, US | few | 2 | 2 | 100.0 % | 34.2 to 100.0 | 0 |" in text
    assert "| covid, also in QaTa-COV19's train | Cohen, many hospitals | many |" in text
    assert (
        "| lateral, Cohen, many hospitals | 1 | 1 | 100.0 % | 20.7 to 100.0 | not-a-chest-image 1 |" in text
    )
    assert "| AP Supine | 1 | 1 |" in text
    assert "| covid | Cohen, many hospitals | a finding (many would be right) | 100.0 % of 2" in short_table(
        figures
    )
    people = people_table({"dice_micro": 0.8369, "other_sources": figures})
    assert "| masks: QaTa-COV19 annotated twice, micro Dice | 0.869 | 0.837 |" in people
    assert "| junior radiologist, all films with scores | 2 |" in people


def test_answers_are_kept_and_not_made_again(tmp_path):
    """A line that was cut off by a stop is made again; answers of other weights do not count."""
    path = tmp_path / "kept.jsonl"
    answer = Answer(finding=True, zones=(True, *(False,) * 5), share=0.25)
    KeptAnswers(path, JUDGE).add(["normal/a"], [answer])
    with path.open("a") as file:
        file.write('{"film": "normal/b", "refu')

    again = KeptAnswers(path, JUDGE)
    again.add(["normal/b"], [Answer(refused="mirrored")])

    assert KeptAnswers(path, JUDGE).answers == {"normal/a": answer, "normal/b": Answer(refused="mirrored")}
    with pytest.raises(ConfigError, match="other weights"):
        KeptAnswers(path, JUDGE | {"weights": "c" * 64})
    path.write_text("something else\n")
    with pytest.raises(ConfigError, match="holds no answers"):
        KeptAnswers(path, JUDGE)


def test_the_command_prints_tables_and_writes_the_figures(folder, tmp_path, monkeypatch):
    """Normals are films of their own source, the children among them to be refused; a second run judges nothing."""
    model = Model()
    monkeypatch.setattr("sgseg_dicom.inference.network.load_network", lambda weights: model)
    monkeypatch.setattr("sgseg_dicom.model.image_check.load_image_check", lambda weights: Gate())
    normals = small_normals(tmp_path / "normals")
    draw(normals / "valid" / "normal_3.png", spoiled(corner=(slice(0, 9), slice(0, 9)), value=255))
    arguments = ["evaluate", "--other", folder, "--normals", normals, "--json", tmp_path / "o.json"]
    arguments = [str(one) for one in [*arguments, "--kept", tmp_path / "kept.jsonl"]]

    first = CliRunner().invoke(app, arguments)
    judged = list(model.batches)
    second = CliRunner().invoke(app, arguments)

    assert first.exit_code == second.exit_code == 0, first.output
    assert model.batches == judged
    assert "| child, Radiography Database (learned from) | 1 | 1 |" in first.output
    figures = json.loads((tmp_path / "o.json").read_text())["other_sources"]
    assert figures["judge"] == {
        "weights": ALGORITHM.weights_digest,
        "image_check": read_image_check_manifest(packaged_image_check()).identity,
    }
    assert {row["source"] for row in figures["good_refused"]} == {ALL, "cohen", "jsrt", "nih", "normals"}
    assert figures["answers"]["lateral/cohen__side"]["refused"] == "not-a-chest-image"


def test_the_command_can_be_kept_to_some_films(folder, tmp_path, monkeypatch):
    """By source, or by names in a file; of none that is there it says so. Without anything to measure on too."""
    monkeypatch.setattr("sgseg_dicom.inference.network.load_network", lambda weights: Model())
    monkeypatch.setattr("sgseg_dicom.model.image_check.load_image_check", lambda weights: Gate())
    (tmp_path / "names.txt").write_text("jsrt__1.png\njsrt__2\nno.such-film\n\n")

    def run(*arguments):
        return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])

    assert "2 films of other sources" in run("--other", folder, "--source", "jsrt").output
    assert "2 films of other sources" in run("--other", folder, "--names", tmp_path / "names.txt").output
    assert (
        "has such a source or name; its sources are ['cohen'"
        in run("--other", folder, "--source", "x").output
    )
    assert "--data, --other or both" in run().output
