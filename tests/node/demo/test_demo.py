"""The main job, as a stranger sees it first."""

import threading

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import BasicTextSRStorage

from node.demo import demo
from node.doctor import before_start
from sgseg_dicom.errors import ConfigError

needs_radiograph = pytest.mark.skipif(
    get_testdata_file(demo.RADIOGRAPH, download=False) is None, reason="needs the package pydicom-data"
)


@needs_radiograph
def test_the_demo_shows_the_whole_way(tmp_path, capsys):
    """
    A real association in, SEG, SR and text over another one back; the sentence, the times, the files and a picture.
    """
    demo.run(tmp_path, threading.Event())

    printed = capsys.readouterr().out
    sr = dcmread(tmp_path / "sr.dcm")
    source = dcmread(demo.radiograph_file(), stop_before_pixels=True)
    assert (sr.Modality, sr.StudyInstanceUID) == ("SR", source.StudyInstanceUID)
    assert dcmread(tmp_path / "text.dcm").SOPClassUID == BasicTextSRStorage
    assert "infection" in printed
    assert all(
        stage in printed for stage in ("read", "infer", "encode", "C-STORE response to results delivered")
    )
    assert Image.open(tmp_path / "overlay.png").width > 500


@needs_radiograph
def test_what_would_be_wrong_at_every_start_is_said_at_once(tmp_path, monkeypatch):
    """
    As `sgseg-node start` does: not after minutes in which the worker starts again and again.
    """

    def too_old() -> str:
        raise ConfigError("SQLite is 3.40.1")

    monkeypatch.setattr(before_start, "require_new_sqlite", too_old)

    with pytest.raises(ConfigError, match=r"SQLite is 3\.40\.1"):
        demo.run(tmp_path, threading.Event())


def test_a_missing_radiograph_is_told_with_its_cure(monkeypatch):
    """
    The package that has it is named.
    """
    monkeypatch.setattr(demo, "RADIOGRAPH", "absent.dcm")

    with pytest.raises(demo.DemoFailed, match="pip install pydicom-data"):
        demo.radiograph_file()
