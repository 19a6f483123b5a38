"""`sgseg check`: the rules that the node keeps, for whoever gets the results."""

from pathlib import Path

import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from sgseg_dicom.cli import app
from sgseg_dicom.result_kinds import Wanted
from tests.support.builders import chest_radiograph, write
from tests.support.spoiling import results

runner = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the three usual results, and the image that they are of."""
    objects, _ = results(wanted={"archive": Wanted()})
    for name, ds in objects.items():
        ds.save_as(tmp_path / name, enforce_file_format=True)
    write(chest_radiograph(), tmp_path / "image.dcm")
    return tmp_path


def checked(folder: Path, *options: str):
    files = [str(folder / name) for name in ("seg.dcm", "sr.dcm", "text.dcm")]
    return runner.invoke(app, ["check", *files, *options])


def test_good_files_have_no_violations(folder):
    """
    As they lie on disk, with the image and without it.
    """
    for options in ([], ["--source", str(folder / "image.dcm")]):
        result = checked(folder, *options)

        assert (result.exit_code, result.stdout) == (0, "")
        assert "3 objects, 0 violations" in result.stderr


def test_a_violation_is_named_with_its_file_and_its_source(folder):
    """
    One line each, and status 1.
    """
    seg = dcmread(folder / "seg.dcm")
    seg.SegmentSequence[0].AnatomicRegionSequence = seg.SegmentSequence[1].AnatomicRegionSequence
    seg.save_as(folder / "seg.dcm")

    result = checked(folder, "--source", str(folder / "image.dcm"))

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert all(line.startswith(str(folder)) for line in lines)
    assert any("[mask-side; PS3.3 C.7.6.1.1.1]" in line for line in lines)


def test_results_of_another_image_are_told(folder):
    """
    The source decides whose results these are.
    """
    write(chest_radiograph(seed=1), folder / "other.dcm")

    result = checked(folder, "--source", str(folder / "other.dcm"))

    assert result.exit_code == 1
    assert "PatientID must be as in the source image" in result.stdout
    assert "TEST0000" not in result.stdout


def test_a_file_that_is_no_dicom_is_told_without_a_traceback(folder):
    """
    Status 2, and which file.
    """
    (folder / "sr.dcm").write_text("no DICOM")

    result = checked(folder)

    assert result.exit_code == 2
    assert "sr.dcm cannot be read" in result.stderr
