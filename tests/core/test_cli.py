"""`sgseg predict`: files and folders in, drafts and one honest line for each out."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import BasicTextSRStorage
from typer.testing import CliRunner

from sgseg_dicom.cli import _summary_of, app, at_once
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.inference import load, wanted
from sgseg_dicom.inference.image_check import load_image_check
from sgseg_dicom.language.language import ENGLISH
from sgseg_dicom.predicted_files import Predicted
from tests.support.builders import chest_radiograph, synthetic_chest, write
from tests.support.networks import one_pass_network
from tests.support.predictions import IMAGE_LEFT, prediction, read_built, spot

runner = CliRunner()


@pytest.fixture(autouse=True)
def no_image_check(monkeypatch):
    """Drawn chests do not pass the image check, and rightly; it has tests of its own."""
    monkeypatch.setattr("sgseg_dicom.inference.image_check.load_image_check", lambda: None)


@pytest.fixture(autouse=True)
def weights_loaded_once(monkeypatch):
    """The weights that ship, where a command names none: one member and one pass, for what the command does of it."""
    load_real = load.load_judge

    def loaded(weights, wanted):
        return load_real(weights, wanted) if weights else one_pass_network()

    monkeypatch.setattr("sgseg_dicom.inference.load.load_judge", loaded)


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "in" / "deeper"
    source.mkdir(parents=True)
    write(chest_radiograph(seed=1), source / "one.dcm")
    write(chest_radiograph(seed=2, PhotometricInterpretation="MONOCHROME1"), source / "two.dcm")
    return tmp_path / "in"


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def test_every_radiograph_of_a_folder_gets_a_draft(folder, tmp_path):
    """One JSON line an image, and the objects that it names."""
    result = runner.invoke(app, ["predict", str(folder), "--out", str(tmp_path / "out"), "--json"])

    assert result.exit_code == 0, result.output
    said = lines(result)
    assert [line["result"] for line in said] == ["draft", "draft"]
    for line in said:
        report = dcmread(line["sr"])
        assert report.PreliminaryFlag == "PRELIMINARY"
        assert dcmread(line["text"]).SOPClassUID == BasicTextSRStorage
        assert line["sentence"].endswith(".")
        assert set(line["zones"]) == {
            f"{s} {z}" for s in ("right", "left") for z in ("upper", "middle", "lower")
        }
        assert {zone["judgement"] for zone in line["zones"].values()} <= {"present", "absent", "undetermined"}
        unsure = any(zone["judgement"] == "undetermined" for zone in line["zones"].values())
        assert bool(line["doubts"]) == unsure
        assert ("seg" in line) == bool(line["area_share"])


def test_a_warning_is_no_line_of_the_output(folder, tmp_path, monkeypatch):
    """A machine with a GPU and without torch: a program that reads the lines reads JSON alone."""
    loaded = load.load_judge
    monkeypatch.setattr(wanted, "has_gpu_driver", lambda: True)
    monkeypatch.setattr(wanted, "is_torch_installed", lambda: False)
    monkeypatch.setattr(
        load,
        "load_judge",
        lambda weights, asked: (wanted.choose_runtime(weights, asked), loaded(weights, asked))[1],
    )
    result = runner.invoke(app, ["predict", str(folder / "deeper"), "--out", str(tmp_path / "out"), "--json"])

    assert "gpu_idle" in result.stderr
    assert [json.loads(line)["result"] for line in result.stdout.splitlines()] == ["draft", "draft"]


def test_what_cannot_be_judged_is_named_and_the_rest_goes_on(folder, tmp_path):
    """A text file and a lateral view: no draft, the reason, and status 1; the others are answered."""
    (folder / "a-note.txt").write_text("not DICOM")
    write(chest_radiograph(seed=3, ViewPosition="LL"), folder / "lateral.dcm")

    result = runner.invoke(app, ["predict", str(folder), "--out", str(tmp_path / "out"), "--json"])

    assert result.exit_code == 1
    said = {line["file"].rsplit("/", 1)[1]: line for line in lines(result)}
    assert said["a-note.txt"]["result"] == said["lateral.dcm"]["result"] == "none"
    assert said["a-note.txt"]["why"].startswith("InvalidDataset")
    assert said["lateral.dcm"]["why"].startswith("NotApplicable")
    assert said["one.dcm"]["result"] == said["two.dcm"]["result"] == "draft"


def test_what_was_not_judged_has_a_coded_answer_beside_the_drafts(folder, tmp_path):
    """The JSON names it, in the language asked for; where nobody knows which image it was, there is none."""
    (folder / "a-note.txt").write_text("not DICOM")
    lateral = chest_radiograph(seed=3, ViewPosition="LL")
    path = write(lateral, folder / "lateral.dcm")
    out = tmp_path / "out"
    arguments = ["predict", str(folder / "a-note.txt"), str(path), "--out", str(out), "--json"]
    result = runner.invoke(app, [*arguments, "--language", "de"])

    assert result.exit_code == 1
    note, said = lines(result)
    assert "answer" not in note
    assert said["answer"] == str(out / f"{lateral.SOPInstanceUID}.answer.dcm")
    assert [str(file) for file in out.iterdir()] == [said["answer"]]
    report = dcmread(said["answer"])
    assert (report.SOPClassUID, report.StudyInstanceUID) == (BasicTextSRStorage, lateral.StudyInstanceUID)
    assert report.SeriesDescription.startswith("NICHT BEURTEILT")


def test_two_images_of_one_uid_do_not_share_their_results(folder, tmp_path):
    """The second is refused by name, whatever is to be said of it; the same file twice is no conflict."""
    first = chest_radiograph(seed=1)
    write(chest_radiograph(seed=5, SOPInstanceUID=first.SOPInstanceUID), folder / "other.dcm")
    lateral = chest_radiograph(seed=1, SOPInstanceUID=first.SOPInstanceUID, ViewPosition="LL")
    write(lateral, folder / "side.dcm")
    write(first, folder / "0.dcm")
    write(first, folder / "copy.dcm")
    images = [folder / name for name in ("0.dcm", "copy.dcm", "other.dcm", "side.dcm")]

    result = runner.invoke(app, ["predict", *map(str, images), "--out", str(tmp_path / "out"), "--json"])

    assert result.exit_code == 1
    said = lines(result)
    assert [line["result"] for line in said] == ["draft", "draft", "none", "none"]
    assert all(str(folder / "0.dcm") in line["why"] for line in said[2:])
    assert not any("answer" in line for line in said)
    names = {path.name.removeprefix(f"{first.SOPInstanceUID}.") for path in (tmp_path / "out").iterdir()}
    assert names >= {"sr.dcm", "text.dcm"}
    assert "answer.dcm" not in names


def test_an_earlier_answer_gives_way_to_a_later_one(folder, tmp_path):
    """Nothing lies beside an answer that contradicts it; files of others stay."""
    out = tmp_path / "out"
    image = chest_radiograph(seed=1)
    arguments = ["predict", str(folder / "image.dcm"), "--out", str(out)]
    write(image, folder / "image.dcm")
    runner.invoke(app, arguments)
    assert (out / f"{image.SOPInstanceUID}.sr.dcm").is_file()
    (out / f"{image.SOPInstanceUID}.note.dcm").write_text("mine")

    image.ViewPosition = "LL"
    write(image, folder / "image.dcm")
    runner.invoke(app, arguments)

    names = {path.name.removeprefix(f"{image.SOPInstanceUID}.") for path in out.iterdir()}
    assert names == {"answer.dcm", "note.dcm"}


def test_a_file_that_is_not_there_does_not_stop_the_others(folder, tmp_path):
    """The missing one is named, the others are answered."""
    missing = str(folder / "gone.dcm")
    result = runner.invoke(app, ["predict", missing, str(folder), "--out", str(tmp_path / "out"), "--json"])

    assert result.exit_code == 1
    assert [line["result"] for line in lines(result)] == ["none", "draft", "draft"]
    assert lines(result)[0]["file"] == missing


def test_nothing_to_do_is_an_error(tmp_path):
    """An empty folder is a typing error more often than a wish."""
    result = runner.invoke(app, ["predict", str(tmp_path), "--out", str(tmp_path / "out")])

    assert result.exit_code == 2
    assert "no file" in result.output


def test_what_cannot_be_written_stops_and_is_named(folder, tmp_path):
    """A full disk or a wrong folder is nothing that the next image would cure, and no traceback."""
    out = tmp_path / "file" / "out"
    out.parent.write_text("in the way")
    result = runner.invoke(app, ["predict", str(folder), "--out", str(out)])
    assert (result.exit_code, result.output.count("cannot be written")) == (2, 1)

    image = folder / "deeper" / "one.dcm"
    blocked = tmp_path / "out" / f"{dcmread(image).SOPInstanceUID}.sr.dcm"
    blocked.mkdir(parents=True)
    result = runner.invoke(app, ["predict", str(image), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert f"{blocked} cannot be written" in result.output.replace("\n", "")


def test_an_encoding_that_is_none_is_refused(folder, tmp_path):
    """Before any image is read, with one that would do."""
    arguments = [
        "predict",
        str(folder),
        "--out",
        str(tmp_path / "out"),
        "--undeclared-character-set",
        "utf-99",
    ]
    result = runner.invoke(app, arguments)

    assert result.exit_code == 2
    assert "utf-99" in result.output
    assert "gb18030" in result.output


def test_weights_that_are_not_there_stop_before_the_first_image(folder, tmp_path):
    """The message names the file that is missing."""
    result = runner.invoke(
        app, ["predict", str(folder), "--out", str(tmp_path / "out"), "--weights", str(tmp_path)]
    )

    assert result.exit_code == 2
    assert "manifest.json" in result.output


def test_results_are_in_the_language_asked_for(folder, tmp_path):
    """The report names its language; the canonical sentence stays beside the one that readers read."""
    arguments = ["predict", str(folder / "deeper" / "one.dcm"), "--out", str(tmp_path / "out"), "--json"]
    result = runner.invoke(app, [*arguments, "--language", "de"])

    (said,) = lines(result)
    language = dcmread(said["sr"]).ContentSequence[0]
    assert language.ConceptCodeSequence[0].CodeValue == "de"
    assert "pulmonale Infektion" in said["reads"]
    assert "pulmonary infection" in said["sentence"]


def test_a_language_that_is_not_there_stops_before_the_first_image(folder, tmp_path):
    """It is named with those that are there."""
    arguments = ["predict", str(folder), "--out", str(tmp_path / "out"), "--language", "xx"]
    result = runner.invoke(app, arguments)

    assert result.exit_code == 2
    assert "give one of ['de', 'en', 'es']" in result.output


def test_a_device_that_there_is_not_is_refused_by_name(folder, tmp_path):
    """Not by a traceback of torch."""
    result = runner.invoke(app, ["predict", str(folder), "--out", str(tmp_path / "out"), "--device", "gpu"])
    assert result.exit_code == 2
    assert "cuda" in result.output


def film(path, *, seed=1):
    """Write a drawn chest as PNG, or JPEG by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((synthetic_chest(seed=seed) >> 4).astype(np.uint8)).save(path)
    return path


def test_a_picture_lies_beside_the_objects_unless_it_is_not_wanted(folder, tmp_path):
    """Its path is printed; each image has one of its own."""
    out = tmp_path / "out"
    arguments = ["predict", str(folder), "--out", str(out), "--json"]
    said = lines(runner.invoke(app, arguments))

    for line in said:
        with Image.open(line["overlay"]) as picture:
            assert picture.mode == "RGB"
    assert {line["overlay"] for line in said} == {str(path) for path in out.glob("*.overlay.png")}
    assert all(line["overlay"].startswith(line["sr"].removesuffix("sr.dcm")) for line in said)

    without = lines(runner.invoke(app, [*arguments, "--no-picture"]))
    assert not any("overlay" in line for line in without)
    assert list(out.glob("*.png")) == []


def test_a_picture_is_in_the_style_asked_for(folder, tmp_path):
    """An outline by default."""
    image = folder / "deeper" / "one.dcm"
    drawn = {}
    for style in (None, "outline", "fill"):
        arguments = ["predict", str(image), "--out", str(tmp_path / str(style)), "--json"]
        (line,) = lines(runner.invoke(app, [*arguments, *(["--picture-style", style] if style else [])]))
        drawn[style] = Path(line["overlay"]).read_bytes()
        assert line["area_share"], "nothing is marked: the styles could not differ"

    assert drawn[None] == drawn["outline"] != drawn["fill"]


def test_a_film_without_a_header_gets_a_picture_and_no_objects(tmp_path):
    """PNG and JPEG; the line says that the sides are assumed, and where the picture is."""
    films = [film(tmp_path / "in" / "a.png"), film(tmp_path / "in" / "b.jpg", seed=2)]
    out = tmp_path / "out"

    result = runner.invoke(app, ["predict", *map(str, films), "--out", str(out), "--json"])
    in_words = runner.invoke(app, ["predict", *map(str, films), "--out", str(out)])

    assert result.exit_code == 0, result.output
    said = lines(result)
    assert [line["overlay"] for line in said] == [str(out / "a.overlay.png"), str(out / "b.overlay.png")]
    assert sorted(path.name for path in out.iterdir()) == ["a.overlay.png", "b.overlay.png"]
    for line in said:
        assert line["sides"] == "assumed as displayed: the patient's right at the image's left"
        assert "tells right from left" in line["caution"][0]
        assert not {"seg", "sr", "text"} & line.keys()
    assert in_words.output.count("the patient's right at the image's left") == 2
    assert str(out / "b.overlay.png") in in_words.output


def test_a_film_becomes_dicom_with_its_objects_where_asked(tmp_path):
    """What refers to it finds it; it says no more of its sides than before."""
    path = film(tmp_path / "in" / "a.png")
    out = tmp_path / "out"
    arguments = ["predict", str(path), "--out", str(out), "--json", "--dicom"]

    (said,) = lines(runner.invoke(app, arguments))

    wrapped = dcmread(said["film"])
    assert said["film"] == str(out / "a.film.dcm")
    report = dcmread(said["sr"])
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == wrapped.SOPInstanceUID
    assert wrapped.PatientOrientation in ("", None)
    assert "sides" in said


def test_films_of_one_name_do_not_write_over_each_other(tmp_path):
    """Two folders with an image 1 each; both ways round the names are the same."""
    films = [film(tmp_path / folder / "1.png", seed=seed) for seed, folder in enumerate(("x", "y"))]
    names = {}
    for order in (1, -1):
        out = tmp_path / f"out{order}"
        result = runner.invoke(app, ["predict", *map(str, films[::order]), "--out", str(out), "--json"])
        names[order] = {line["file"]: Path(line["overlay"]).name for line in lines(result)}

    assert names[1] == names[-1]
    assert len(set(names[1].values())) == 2


def test_a_broken_film_is_named_and_the_rest_goes_on(tmp_path):
    """It has no picture: not judged must not look like judged. That of an earlier run gives way."""
    good, bad = film(tmp_path / "in" / "a.png"), film(tmp_path / "in" / "b.png", seed=2)
    out = tmp_path / "out"
    arguments = ["predict", str(tmp_path / "in"), "--out", str(out), "--json"]
    assert len(lines(runner.invoke(app, arguments))) == 2
    assert (out / "b.overlay.png").is_file()
    bad.write_bytes(bad.read_bytes()[:900])
    (tmp_path / "in" / "c.png").write_text("no film")

    result = runner.invoke(app, arguments)

    assert result.exit_code == 1
    said = {line["file"]: line for line in lines(result)}
    assert said[str(good)]["result"] == "draft"
    assert said[str(bad)]["why"].startswith("UndecodablePixels: the picture is cut off or damaged")
    assert "neither DICOM, PNG nor JPEG" in said[str(tmp_path / "in" / "c.png")]["why"]
    assert [path.name for path in out.iterdir()] == ["a.overlay.png"]


def test_a_folder_that_is_searched_again_finds_films_and_not_our_pictures(tmp_path):
    """Who writes into the folder that he reads judges each film once."""
    film(tmp_path / "a.png")
    arguments = ["predict", str(tmp_path), "--out", str(tmp_path), "--json"]

    first, second = (lines(runner.invoke(app, arguments)) for _ in range(2))

    assert len(first) == len(second) == 1


def test_a_film_that_must_not_be_judged_has_a_reason_and_no_picture(tmp_path, monkeypatch):
    """The image check asks a film as it asks DICOM."""
    real = load_image_check()
    monkeypatch.setattr("sgseg_dicom.inference.image_check.load_image_check", lambda: real)
    noise = np.random.default_rng(0).integers(0, 255, (300, 300)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")

    result = runner.invoke(
        app, ["predict", str(tmp_path / "noise.png"), "--out", str(tmp_path / "out"), "--json"]
    )

    (said,) = lines(result)
    assert (result.exit_code, said["result"]) == (1, "none")
    assert said["why"].startswith("NotApplicable")
    assert "sentence" not in said
    assert list((tmp_path / "out").iterdir()) == []


def test_json_tells_each_zone_its_own():
    """
    At the image's left is the patient's right: one zone is present, and one lung has an area.
    """
    finding = measure(prediction(spot(*IMAGE_LEFT), zones=["right middle"]), read_built())
    told = _summary_of(Predicted(name="1", finding=finding, caution=(), sides="", files={}), {}, ENGLISH)

    assert told["zones"]["right middle"] == {"judgement": "present", "probability": 0.9}
    assert [name for name, zone in told["zones"].items() if zone["judgement"] != "absent"] == ["right middle"]
    assert set(told["area_share"]) == {"right"}


@pytest.mark.parametrize(
    ("files", "processors", "expected"),
    [(1, 16, 1), (2, 2, 2), (1000, 4, 4), (1000, 128, 8)],
    ids=["one file has all processors", "one each", "many files", "memory has an end"],
)
def test_several_files_are_judged_at_a_time(files, processors, expected):
    """But a single file is not computed by one processor of many, and not a hundred images are in memory together."""
    assert at_once(files, processors) == expected
