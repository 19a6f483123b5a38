"""The main job, as a stranger sees it first."""

import threading

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import BasicTextSRStorage

from node.demo import demo

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


def test_a_missing_radiograph_is_told_with_its_cure(monkeypatch):
    """
    The package that has it is named.
    """
    monkeypatch.setattr(demo, "RADIOGRAPH", "absent.dcm")

    with pytest.raises(demo.DemoFailed, match="pip install pydicom-data"):
        demo.radiograph_file()
