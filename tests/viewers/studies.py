"""Radiographs of nobody, with the results that a destination gets of them by default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, Comprehensive3DSRStorage

from sgseg_dicom.applicability.header_rules import require_applicable
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.reading.read import read
from sgseg_dicom.records import Finding, Prediction
from sgseg_dicom.result_kinds import Wanted
from sgseg_dicom.results.encode import encode_results
from sgseg_dicom.results.not_judged import encode_not_judged
from tests.support.builders import chest_radiograph, synthetic_chest, write
from tests.support.predictions import ALGORITHM, IMAGE_LEFT, MADE_AT, both_lungs, prediction, spot
from tests.system.orthanc import DCMTK, Orthanc

_EVEN, _ODD = (256, 224), (237, 203)
"""Rows and Columns: a row of a BINARY mask ends at a byte, and in the middle of one."""

_SIZES = {"even": _EVEN, "odd": _ODD}

SOURCES: dict[str, dict[str, Any]] = {
    f"{kind} {polarity} {size}": {
        "kind": kind,
        "PhotometricInterpretation": polarity,
        "shape": _SIZES[size],
    }
    for kind in ("CR", "DX")
    for polarity in ("MONOCHROME1", "MONOCHROME2")
    for size in _SIZES
}
SOURCES["CR without spacing"] = {"kind": "CR", "shape": _EVEN, "ImagerPixelSpacing": None}
WITH_FINDING = "DX MONOCHROME2 even"
"""One study with a finding, where one is enough."""

HEALTHY, LATERAL = "without infection", "lateral"
"""Two more: nothing was found, and the image was not judged. Their answers are texts alone."""

LABEL_MAP = "label map"
"""Another one, whose mask is a label map, which dwv does not know."""

TWO_FILMS = ("first of two films", "second of two films")
"""Two more, in one study: with a finding in both lungs, and in the right one."""

EVEN = [name for name in SOURCES if "odd" not in name]
"""Those whose SEG is BINARY."""


@dataclass(frozen=True)
class Study:
    """
    One study in the archive.

    Attributes:
        image: the radiograph.
        finding: what was found; None where the image was not judged.
        results: what a destination gets by default, by SOP class.
    """

    image: Dataset
    finding: Finding | None
    results: Mapping[str, Dataset]

    @property
    def seg(self) -> Dataset:
        """The Segmentation, of either class."""
        return next(ds for ds in self.results.values() if ds.Modality == "SEG")

    @property
    def report(self) -> Dataset:
        """The coded report (TID 1500)."""
        return self.results[Comprehensive3DSRStorage]

    @property
    def text(self) -> Dataset:
        """The report in words (TID 2000)."""
        return self.results[BasicTextSRStorage]

    @property
    def labels(self) -> NDArray[np.uint8]:
        """The number of its segment at every stored pixel (Rows, Columns); 0 where there is none."""
        regions = enumerate(self.finding.regions, 1)
        return np.sum([number * region.mask.astype(np.uint8) for number, region in regions], axis=0)


def archived_studies(archive: Orthanc, folder: Path) -> dict[str, Study]:
    """Make a study of each of SOURCES, and send all of them to *archive*."""
    studies = {
        name: _judged(_image(seed, **source), folder, both_lungs())
        for seed, (name, source) in enumerate(SOURCES.items())
    }
    studies[HEALTHY] = _judged(_image(len(studies), shape=_EVEN), folder, prediction())
    studies[LATERAL] = _refused(_image(len(studies), shape=_EVEN, ViewPosition="LL"), folder)
    studies[LABEL_MAP] = _judged(
        _image(len(studies), shape=_ODD), folder, both_lungs(), Wanted(segmentation="labelmap")
    )
    studies |= _two_films(len(studies), folder)
    titles = ("-aet", "SGSEG", "-aec", archive.title)
    label_map = folder / f"{studies[LABEL_MAP].seg.SOPInstanceUID}.dcm"
    archive.store_by_web(label_map)  # DCMTK 3.6.7 does not know this class
    label_map.unlink()
    sent = archive.network.run(DCMTK / "storescu", "-R", *titles, "127.0.0.1", archive.port, "+sd", folder)
    assert sent.returncode == 0, sent.stderr
    return studies


def _two_films(seed: int, folder: Path) -> dict[str, Study]:
    first = _image(seed, shape=_EVEN)
    same = {keyword: first[keyword].value for keyword in ("StudyInstanceUID", "PatientID", "PatientName")}
    second = _image(seed + 1, shape=_EVEN, SeriesNumber=2, ViewPosition="AP", **same)
    right = prediction(spot(*IMAGE_LEFT), zones=["right middle"])
    names = iter(TWO_FILMS)
    return {
        next(names): _judged(first, folder, both_lungs()),
        next(names): _judged(second, folder, right),
    }


def _image(seed: int, *, shape: tuple[int, int], **keywords: Any) -> Dataset:
    stored = synthetic_chest(shape, seed=seed)
    if keywords.get("PhotometricInterpretation") == "MONOCHROME1":
        stored = 4095 - stored
    return chest_radiograph(pixels=stored, seed=seed, **keywords)


def _judged(
    image: Dataset,
    folder: Path,
    predicted: Prediction,
    wanted: Wanted = Wanted(),  # noqa: B008 - frozen
) -> Study:
    radiograph = read(write(image, folder / f"{image.SOPInstanceUID}.dcm"))
    finding = measure(predicted, radiograph)
    files, names = encode_results(
        radiograph, finding, {"viewer": wanted}, algorithm=ALGORITHM, made_at=MADE_AT
    )
    return Study(image, finding, _written(folder, [files[name] for name in names["viewer"]]))


def _refused(image: Dataset, folder: Path) -> Study:
    radiograph = read(write(image, folder / f"{image.SOPInstanceUID}.dcm"))
    with pytest.raises(NotApplicable) as refusal:
        require_applicable(radiograph)
    answer = encode_not_judged(radiograph.header, refusal.value, algorithm=ALGORITHM, made_at=MADE_AT)
    return Study(image, None, _written(folder, [answer]))


def _written(folder: Path, results: Sequence[Dataset]) -> dict[str, Dataset]:
    for result in results:
        result.save_as(folder / f"{result.SOPInstanceUID}.dcm", enforce_file_format=True)
    return {result.SOPClassUID: result for result in results}
