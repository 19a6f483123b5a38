"""
Any source, every pair of its properties: results are valid, say what was sent, and lie in the right place.

One cell of the matrix is one radiograph (`tests.support.matrix`), written as its hospital would and taken through the
whole pipeline by a segmenter that finds what is bright in the picture.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import highdicom
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from sgseg_dicom.zones import Laterality
from tests.support.laterality import SIDE_OF_CODE
from tests.support.matrix import FORMS, Cell, Looking, cells, infected, write_source
from tests.support.predictions import pipeline_of
from tests.support.validators import dcentvfy, dciodvfy, dsrdump, needs_dcmtk

FINDING, SUMMARY, MEASUREMENT_GROUP, LATERALITY = "121071", "55112-7", "125007", "272741003"
"""The sentence is the first text under either of the first two: TID 1500, TID 2000."""


@dataclass(frozen=True)
class Case:
    """
    A cell, its file, and its results as an archive reads them.

    Attributes:
        cell: what the source is.
        source: its file.
        results: what was read back from each file.
    """

    cell: Cell
    source: Path
    results: Mapping[Path, Dataset]

    def of(self, modality: str) -> Mapping[Path, Dataset]:
        """Give the results of one Modality."""
        return {path: ds for path, ds in self.results.items() if ds.Modality == modality}

    def mask(self) -> NDArray[np.bool_]:
        """Give the mask of all segments, on the stored grid."""
        (path,) = self.of("SEG")
        seg = highdicom.seg.segread(path)
        sources = [instance for *_, instance in seg.get_source_image_uids()]
        return seg.get_pixels_by_source_instance(sources, ignore_spatial_locations=True)[0].any(axis=-1)


@pytest.fixture(scope="module", params=cells(), ids=str)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    cell, folder = request.param, tmp_path_factory.mktemp("cell")
    source = write_source(cell, folder / "source.dcm")
    looking = Looking(blind=not cell.sides)
    made = pipeline_of(looking)(source, wanted={"archive": FORMS[cell.form]})
    for name, one in made.files.items():
        (folder / name).write_bytes(one.content)
    return Case(cell, source, {folder / name: dcmread(folder / name) for name in made.files})


def in_utf_8(case: Case, path: Path) -> Path:
    """Write the source's header once more, with its texts as they are meant."""
    ds = dcmread(case.source, stop_before_pixels=True)
    for keyword, value in {"SpecificCharacterSet": "ISO_IR 192", **case.cell.keywords}.items():
        setattr(ds, keyword, value)
    if ds.file_meta.TransferSyntaxUID.is_deflated:
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.save_as(path)
    return path


def items(ds: Dataset, *values: str) -> Iterator[Dataset]:
    """Give the content items of a report whose concept has one of the codes *values*, at every depth."""
    for item in ds.get("ContentSequence", ()):
        if item.get("ConceptNameCodeSequence") and item.ConceptNameCodeSequence[0].CodeValue in values:
            yield item
        yield from items(item, *values)


def test_dciodvfy_finds_no_error(case: Case) -> None:
    """Each object alone is what its SOP class says."""
    assert {path.name: dciodvfy(path) for path in case.results} == {path.name: [] for path in case.results}


def test_dcentvfy_finds_no_contradiction(case: Case) -> None:
    """Source and results agree about patient, study, series and equipment; it compares bytes, so in UTF-8."""
    source = in_utf_8(case, case.source.with_name("utf-8.dcm"))

    assert dcentvfy([source, *case.results]) == []


def test_the_patient_and_the_study_are_those_of_the_source(case: Case) -> None:
    """Whatever the source's character set, declared rightly or not: the same text, in UTF-8."""
    expected = {"SpecificCharacterSet": "ISO_IR 192", **case.cell.keywords}

    for said in case.results.values():
        assert {keyword: str(said[keyword].value) for keyword in expected} == expected


def test_the_mask_lies_where_the_picture_is_bright(case: Case) -> None:
    """Turned to the standard display, it is the spot that was drawn there, to the resize's precision."""
    if not case.cell.sides:
        assert not case.of("SEG")
        return
    found, truth = case.cell.orientation.to_display(case.mask()), infected(case.cell)

    assert 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum()) > 0.93


def test_the_side_is_the_patients(case: Case) -> None:
    """Segments, measurement groups and sentence name the lung that has the spot, and no other."""
    expected = set(case.cell.sides)
    reports = case.of("SR").values()
    segments = [segment for seg in case.of("SEG").values() for segment in seg.SegmentSequence]
    groups = [group for report in reports for group in items(report, MEASUREMENT_GROUP)]
    sites = [site.ConceptCodeSequence[0] for group in groups for site in items(group, LATERALITY)]

    assert {_side(segment) for segment in segments} == expected
    assert {SIDE_OF_CODE[site.CodeValue] for site in sites} == expected
    for report in reports:
        texts = (item.TextValue for item in items(report, FINDING, SUMMARY) if item.ValueType == "TEXT")
        sentence = next(words for words in texts if "infection" in words)  # a caution may stand before it
        assert {side for side in Laterality if f"{side.word} lung" in sentence} == expected


@needs_dcmtk
def test_dcmtk_reads_the_reports(case: Case) -> None:
    """The whole tree, without an error, a draft."""
    assert len(case.of("SR")) == (2 if case.cell.sides else 1)  # nothing is marked: the words alone
    for path in case.of("SR"):
        assert "Completion Flag     : PARTIAL" in dsrdump(path)


def _side(segment: Dataset) -> Laterality:
    return SIDE_OF_CODE[segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0].CodeValue]
