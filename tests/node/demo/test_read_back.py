"""What a receiver reads in our results is what was found."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from highdicom.seg import segread
from pydicom import dcmread

from node.demo.read_back import finding_of, save_received
from node.judge.warm_up import warm_up
from sgseg_dicom.language.language import ENGLISH, load_language
from sgseg_dicom.pipeline import Pipeline
from sgseg_dicom.reading.read import read
from sgseg_dicom.records import Algorithm, Finding, LungRegion
from sgseg_dicom.results.measurement_report import encode_sr
from sgseg_dicom.results.seg import encode_seg
from sgseg_dicom.results.text_report import encode_text
from sgseg_dicom.zones import ZONES as ALL
from sgseg_dicom.zones import Laterality, sentence_of
from tests.support.builders import SHAPE, chest_radiograph, write

NOW = datetime(2026, 1, 2, 3, 4, 5).astimezone()
ALGORITHM = Algorithm(name="SGSeg test", version="1.2.3", weights_digest="0" * 64)
ZONES = (False, False, True, True, False, False)


@pytest.fixture
def arrived(tmp_path):
    """Give the files of a SEG and an SR of a two-sided finding, its source, and the finding."""
    source = write(chest_radiograph(), tmp_path / "source.dcm")
    masks = {side: np.zeros(SHAPE, dtype=bool) for side in Laterality}
    masks[Laterality.RIGHT][100:150, 20:60] = True
    masks[Laterality.LEFT][30:60, 150:200] = True
    finding = Finding(
        regions=tuple(
            LungRegion(laterality=side, mask=mask, area_share=float(mask.mean()), area_mm2=None)
            for side, mask in masks.items()
        ),
        zones=ZONES,
        zone_probabilities=np.full(6, 0.5, dtype=np.float32),
        sentence=sentence_of(ZONES),
        reached=(True, False, False, False, False, False),
    )
    radiograph = read(source)
    seg = encode_seg(radiograph, finding, algorithm=ALGORITHM, made_at=NOW)
    sr = encode_sr(radiograph, finding, seg, algorithm=ALGORITHM, made_at=NOW)
    text = encode_text(radiograph, finding, seg, algorithm=ALGORITHM, made_at=NOW)
    for name, ds in (("seg", seg), ("sr", sr), ("text", text)):
        ds.save_as(tmp_path / f"{name}.dcm", enforce_file_format=True)
    return tmp_path / "seg.dcm", tmp_path / "sr.dcm", source, finding


def test_a_finding_reads_back(arrived):
    """
    Regions on the stored grid, the patient's sides, zones and sentence.
    """
    seg, sr, _, finding = arrived
    found = finding_of(segread(seg), dcmread(sr))

    assert (found.sentence, found.zones) == (finding.sentence, finding.zones)
    assert found.reached == finding.reached
    assert [region.laterality for region in found.regions] == [Laterality.RIGHT, Laterality.LEFT]
    for theirs, ours in zip(found.regions, finding.regions, strict=True):
        np.testing.assert_array_equal(theirs.mask, ours.mask)


def test_shares_and_doubts_read_back(arrived):
    """
    With lungs: the shares that the SR measures, and zones that are named and hardly marked.
    """
    seg, _, source, finding = arrived
    measured = replace(
        finding,
        lung_centres=(0.25, 0.75),
        lung_shares={Laterality.RIGHT: 0.125, Laterality.LEFT: 0.3},
        share_of_both=0.2,
        zone_shares=(0.0, 0.1, 0.2, 0.0, 0.0, 0.0),
    )
    sr = encode_sr(read(source), measured, dcmread(seg), algorithm=ALGORITHM, made_at=NOW)

    found = finding_of(segread(seg), sr)

    assert found.lung_shares == measured.lung_shares
    assert found.severity == measured.severity == (1, 2)
    assert [found.judgement_of(zone) for zone in ALL] == [measured.judgement_of(zone) for zone in ALL]
    assert ENGLISH.doubts(found) == ENGLISH.doubts(measured)
    assert found.lung_centres is not None


def test_a_finding_reads_back_from_a_report_in_another_language(arrived):
    """
    The canonical sentence is in it too, marked as English.
    """
    _, _, source, finding = arrived
    report = encode_sr(
        read(source), finding, None, algorithm=ALGORITHM, made_at=NOW, language=load_language("de")
    )

    assert finding_of(None, report).sentence == finding.sentence


def test_what_arrived_is_copied_and_drawn(arrived, tmp_path):
    """
    The copies are the arrived bytes; a picture is beside them.
    """
    seg, sr, source, _ = arrived
    out = tmp_path / "out"
    out.mkdir()
    kept = save_received([seg, sr], source, out)

    assert [path.name for path in kept.files] == ["seg.dcm", "sr.dcm", "overlay.png"]
    assert (out / "seg.dcm").read_bytes() == seg.read_bytes()
    assert kept.has_regions


@pytest.mark.parametrize("order", [["seg", "sr", "text"], ["text", "seg", "sr"], ["sr", "text", "seg"]])
def test_the_text_beside_the_report_is_not_taken_for_it(arrived, tmp_path, order):
    """
    Both have Modality SR and arrive in any order; each is copied under its own name, the coded one is read.
    """
    out = tmp_path / "out"
    out.mkdir()
    kept = save_received([tmp_path / f"{name}.dcm" for name in order], arrived[2], out)

    assert [path.name for path in kept.files] == ["seg.dcm", "sr.dcm", "text.dcm", "overlay.png"]
    assert (out / "text.dcm").read_bytes() == (tmp_path / "text.dcm").read_bytes()
    assert kept.sentence == arrived[3].sentence


def test_a_report_alone_is_no_region(arrived, tmp_path):
    """
    Without a SEG the picture has no region and the sentence is still told.
    """
    _, sr, source, finding = arrived
    out = tmp_path / "out"
    out.mkdir()
    kept = save_received([sr], source, out)

    assert (kept.sentence, kept.has_regions, kept.names_zones) == (finding.sentence, False, True)


def test_nothing_of_ours_is_nothing(arrived, tmp_path):
    """
    An image that was not judged has no results.
    """
    assert save_received([], arrived[2], tmp_path) is None


def test_the_warm_up_goes_through_every_stage():
    """
    It finds something, so that the SEG's and the reports' first times are not a patient's.
    """

    class Named:
        algorithm = ALGORITHM

    results = warm_up(Pipeline(segmenter=Named(), image_check=None, clock=lambda: NOW))

    assert [str(ds.Modality) for ds in results.objects] == ["SEG", "SR", "SR"]
