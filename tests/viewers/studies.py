"""Radiographs of nobody, with the results that a destination gets of them by default."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, Comprehensive3DSRStorage, SegmentationStorage

from sgseg_dicom.encode.results import encode_results
from sgseg_dicom.forms import Wanted
from sgseg_dicom.measure import measure
from sgseg_dicom.read import read
from sgseg_dicom.records import Finding
from tests.builders import chest_radiograph, synthetic_chest, write
from tests.predictions import ALGORITHM, MADE_AT, both_lungs
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
EVEN = [name for name in SOURCES if "odd" not in name]
"""Those whose SEG is BINARY."""


@dataclass(frozen=True)
class Study:
    """
    One study in the archive.

    Attributes:
        image: the radiograph.
        finding: of both lungs.
        results: what a destination gets by default, by SOP class.
    """

    image: Dataset
    finding: Finding
    results: Mapping[str, Dataset]

    @property
    def seg(self) -> Dataset:
        """The Segmentation."""
        return self.results[SegmentationStorage]

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
    studies = {name: _study(seed, folder, **source) for seed, (name, source) in enumerate(SOURCES.items())}
    titles = ("-aet", "SGSEG", "-aec", archive.title)
    sent = archive.network.run(
        DCMTK / "storescu", "-R", *titles, "127.0.0.1", archive.port, "+sd", "+r", folder
    )
    assert sent.returncode == 0, sent.stderr
    return studies


def _study(seed: int, folder: Path, *, shape: tuple[int, int], **keywords: Any) -> Study:
    stored = synthetic_chest(shape, seed=seed)
    if keywords.get("PhotometricInterpretation") == "MONOCHROME1":
        stored = 4095 - stored
    image = chest_radiograph(pixels=stored, seed=seed, **keywords)
    own = folder / str(seed)
    own.mkdir()
    radiograph = read(write(image, own / "image.dcm"))
    finding = measure(both_lungs(), radiograph)
    files, (names,) = encode_results(radiograph, finding, [Wanted()], algorithm=ALGORITHM, made_at=MADE_AT)
    for name in names:
        files[name].save_as(own / name, enforce_file_format=True)
    return Study(image, finding, {files[name].SOPClassUID: files[name] for name in names})
