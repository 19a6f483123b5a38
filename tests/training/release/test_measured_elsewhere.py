"""Figures by source reach manifest, card and documents by one command."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.release.manifest import packaged_weights, read_manifest
from tests.support.data_folder import DATA
from tests.test_documents import ROOT
from tests.training.other_sources import small_other_sources
from training.cli import app
from training.data.brixia import read_brixia
from training.data.credits import CREDITS, RESEARCH_ONLY, SHIPPED_SOURCES, credits_table
from training.data.other_sources import read_other_sources
from training.evaluation.answers import Answer
from training.evaluation.brixia_agreement import brixia_agreement
from training.evaluation.other_sources import measure_other_sources
from training.evaluation.people import people_table
from training.evaluation.source_figures import Answered
from training.release.marked_places import fill_places
from training.release.model_card import card_of, model_card

PLACES = (
    "Before.\n<!-- table: by source, short -->\nold\n<!-- end of table -->\n"
    "<!-- table: mine -->\nstays\n<!-- end of table -->\nAfter.\n"
)


@pytest.fixture
def weights(tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    shutil.copy(packaged_weights() / "manifest.json", folder)
    return folder


@pytest.fixture
def figures(tmp_path):
    """As of `evaluate --other --json`, with a finding in every film."""
    folder = small_other_sources(tmp_path / "other")
    answered = [Answered(film, Answer(finding=True, share=0.1)) for film in read_other_sources(folder)]
    judge = {"weights": read_manifest(packaged_weights()).identity, "image_check": "b" * 64}
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"other_sources": measure_other_sources(folder, answered, judge=judge)}))
    return path


def test_the_figures_go_to_manifest_card_and_documents(weights, figures, tmp_path):
    """The answers to single films stay out of the manifest, and the weights keep their identity."""
    document = tmp_path / "README.md"
    document.write_text(PLACES)

    result = CliRunner().invoke(
        app, ["card", str(weights), "--figures", str(figures), "--into", str(document)]
    )

    assert result.exit_code == 0, result.output
    manifest = read_manifest(weights)
    assert manifest.metrics["other_sources"]["films"] == 17
    assert "answers" not in manifest.metrics["other_sources"]
    card = (weights / "MODEL_CARD.md").read_text()
    assert card == card_of(weights)
    for heading in ("## By source, sex, age and view", "| infected films of Cohen's, by sex |"):
        assert heading in card
    assert "this card has no figures of them" not in card
    text = document.read_text()
    assert "| normal | JSRT, Japan | a finding (few would be right) | 100.0 % of 1" in text
    assert "old" not in text
    assert "stays" in text
    assert (text.startswith("Before.\n"), text.endswith("After.\n")) == (True, True)


def test_figures_of_other_weights_are_refused(weights, figures):
    """They would stand on a card that they do not belong to."""
    content = json.loads(figures.read_text())
    content["other_sources"]["judge"]["weights"] = "f" * 64
    figures.write_text(json.dumps(content))

    result = CliRunner().invoke(app, ["card", str(weights), "--figures", str(figures)])

    assert "figures of the weights ffffffffffffffff, not of" in result.output
    figures.write_text("{}")
    result = CliRunner().invoke(app, ["card", str(weights), "--figures", str(figures)])
    assert "has no figures of `sgseg-train evaluate --other" in result.output


def test_only_the_place_itself_is_written(tmp_path):
    """An empty place is one; a place without its end is none, whatever follows."""
    begin, end = "<!-- table: a -->\n", "<!-- end of table -->\n"
    text = f"{begin}{end}kept\n<!-- table: b -->\nopen\n{begin}x\n{end}"
    (tmp_path / "README.md").write_text(text)

    assert fill_places(tmp_path / "README.md", {"a": "T", "b": "U"}) == ["a", "a"]

    filled = f"{begin}\nT\n\n{end}"
    assert (tmp_path / "README.md").read_text() == f"{filled}kept\n<!-- table: b -->\nopen\n{filled}"


def test_a_document_without_a_place_is_named(tmp_path):
    """Nothing would be written, and nobody would notice."""
    (tmp_path / "README.md").write_text("No place.\n")

    with pytest.raises(ConfigError, match="has no line"):
        fill_places(tmp_path / "README.md", {"people": "table"})


def test_a_card_without_figures_of_other_sources_says_so():
    """The section is left out, and a limit says that there is nothing to go by."""
    manifest = read_manifest(packaged_weights())
    bare = {name: value for name, value in manifest.metrics.items() if name != "other_sources"}

    card = model_card(manifest.model_copy(update={"metrics": bare}))

    assert "## By source" not in card
    assert "this card has no figures of them" in card
    assert "| masks: two annotators of 50 same films, micro Dice | 0.722 | 0.837 |" in card


def test_the_card_of_the_older_weights_says_that_they_learned_from_children():
    """Their digest tells it; the digest without the children does not."""
    manifest = read_manifest(packaged_weights())
    run = {"recipe": {}, "train": {"infected": 5712, "normal": 700, "digest": "9f427f0b16ab9805" + "0" * 48}}
    adults = run | {
        "train": {"infected": 5712, "normal": 663, "digest": "fa31143c450e246d" + "0" * 48},
    }

    old, new = (
        model_card(manifest.model_copy(update={"training": one, "members": 1})) for one in (run, adults)
    )

    assert "37 of the 700 normal images that they learned from show children" in old
    assert "show children" not in new
    assert "663 normal ones of the COVID-19 Radiography Database (train)" in new


def test_the_card_names_what_was_learned_from():
    """A manifest that lists its sources; every source has its licence."""
    manifest = read_manifest(packaged_weights())
    training = manifest.training | {"sources": ["qata", "radiography-database", "nih"]}

    card = model_card(manifest.model_copy(update={"training": training}))

    assert credits_table(training["sources"]) in card
    assert RESEARCH_ONLY in card
    assert all(one.licence for one in CREDITS)
    rows = [
        line.split("|")
        for line in card.splitlines()
        if "| measuring alone |" in line or "and measuring |" in line
    ]
    uses = {row[1].strip(): row[4].strip() for row in rows}
    assert uses["NIH ChestX-ray14"] == "learning and measuring"
    assert uses["JSRT database"] == "measuring alone"


def test_the_documents_have_the_tables_of_the_card():
    """One table of credits and one of people: README and RESULTS follow the manifest that ships."""
    manifest = read_manifest(packaged_weights())
    people = people_table(manifest.metrics)
    readme = (ROOT / "README.md").read_text()

    assert credits_table(manifest.training.get("sources", SHIPPED_SOURCES)) in readme
    assert " ".join(RESEARCH_ONLY.split()) in " ".join(readme.split())
    assert people in readme
    assert people in (ROOT / "training/RESULTS.md").read_text()


@pytest.mark.skipif(
    not (DATA / "other").is_dir(), reason=f"no films of other hospitals in {DATA}; name SGSEG_DATA"
)
def test_what_two_radiologists_say_of_the_films_at_hand():
    """The figures that stand beside the model are those of `brixia.csv`."""
    scores = read_brixia(DATA / "other")
    known = [film for film in read_other_sources(DATA / "other") if film.item.name in scores]
    radiologists = brixia_agreement([Answered(film, Answer()) for film in known], scores)["radiologists"]
    assert {name: round(value, 3) for name, value in radiologists.items()} == {
        **{"zone_bits": 0.824, "all_six": 0.481, "spearman": 0.875}
    }
