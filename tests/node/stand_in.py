"""
The worker with a pipeline that needs no model. What it does with an image, the image says itself.

`tests.node.stand_in_worker` is a worker with it.
ImageComments (0020,4000) of the image: "slow" waits until <STAND_IN_FOLDER>/go is there, "lateral" is not
applicable, "unanswerable" neither, and its header is too poor to say so, "defect" raises something unexpected
that quotes the patient, "flaky" fails at the first attempt, "broken device" fails until <STAND_IN_FOLDER>/go is
there, "deadly" ends the process, "deadly header" also when it is to be answered, "hanging" never comes back and holds
Python's lock, "hungry" takes all memory, "busy" takes a tenth of a second, "clear" has no finding.
<STAND_IN_FOLDER>/begun has a line for each image begun.
"""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    SegmentationStorage,
    generate_uid,
)

from node.judge.asked_worker import AskedWorker
from sgseg_dicom.comparison.films import Earlier, no_earlier
from sgseg_dicom.config import Config
from sgseg_dicom.errors import InferenceError, InvalidDataset, NotApplicable, SgsegError
from sgseg_dicom.records import Finding, LungRegion, Results, WrittenObject
from sgseg_dicom.refusal_reasons import RefusalReason
from sgseg_dicom.result_kinds import Kind, Wanted
from sgseg_dicom.results.write import write
from sgseg_dicom.zones import Laterality

if TYPE_CHECKING:
    from sgseg_dicom.pipeline import Timed

SENTENCE = "Infected area in the right lower lung."


class StandIn:
    """A pipeline that writes down what it began in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self, path: Path, *, wanted: Mapping[str, Wanted], timed: "Timed", earlier: Earlier = no_earlier
    ) -> Results:
        with timed("read"):
            source = dcmread(path, stop_before_pixels=True)
        earlier = self.begun().count(source.SOPInstanceUID)
        with (self._folder / "begun").open("a") as file:
            file.write(f"{source.SOPInstanceUID}\n")
        with timed("infer"):
            self._do(source.get("ImageComments", ""), source, earlier)
        return results_of(source, wanted)

    def not_judged(self, path: Path, error: SgsegError) -> WrittenObject:
        """Say that it was not judged."""
        source = dcmread(path, stop_before_pixels=True)
        if source.get("ImageComments") == "deadly header":
            os._exit(9)
        if source.get("ImageComments") == "unanswerable":
            raise InvalidDataset("StudyInstanceUID is missing")
        ds = _object(source, BasicTextSRStorage, "SR")
        ds.SeriesDescription = type(error).__name__
        ds.ContentDate = f"{time.time_ns():x}"  # as the real one, another at each making
        return write(ds)

    def begun(self) -> list[str]:
        """Give the SOP Instance UIDs of the images that were begun, in order."""
        file = self._folder / "begun"
        return file.read_text().split() if file.exists() else []

    def _do(self, wish: str, source: Dataset, earlier: int) -> None:
        if wish == "slow":
            (self._folder / "inside").touch()
            while not (self._folder / "go").exists():
                time.sleep(0.01)
        if wish == "busy":
            time.sleep(0.1)
        if wish in ("lateral", "unanswerable"):
            raise NotApplicable("a lateral view; send frontal ones", reason=RefusalReason.LATERAL_VIEW)
        if wish == "defect":
            raise KeyError(str(source.PatientName))
        if wish == "flaky" and not earlier:
            raise InferenceError("the device failed")
        if wish == "broken device" and not (self._folder / "go").exists():
            raise InferenceError("the device failed")
        if wish in ("deadly", "deadly header"):
            os._exit(9)
        if wish == "hanging":
            re.match(r"(a+)+$", "a" * 64 + "b")  # for thousands of years, in C
        if wish == "hungry":
            taken = []
            while True:
                taken.append(bytearray(b"1") * (64 << 20))


SEG_AND_SR: Mapping[str, Wanted] = {"archive": Wanted(results=(Kind.SEG, Kind.SR))}


def results_of(source: Dataset, wanted: Mapping[str, Wanted] = SEG_AND_SR) -> Results:
    """Give results as small as an archive takes them, SEG and SR alone, each of one form."""
    clear = source.get("ImageComments") == "clear"
    region = LungRegion(
        laterality=Laterality.RIGHT, mask=np.ones((2, 2), dtype=bool), area_share=1.0, area_mm2=None
    )
    files = {
        "seg.dcm": None if clear else _object(source, SegmentationStorage, "SEG"),
        "sr.dcm": _object(source, ComprehensiveSRStorage, "SR"),
    }
    made = {name: write(ds) for name, ds in files.items() if ds is not None}
    return Results(
        source_uid=source.SOPInstanceUID,
        files=made,
        names={
            destination: tuple(name for name in made if Kind(name.removesuffix(".dcm")) in one.results)
            for destination, one in wanted.items()
        },
        finding=Finding(
            regions=() if clear else (region,),
            zones=(False, False, not clear, False, False, False),
            zone_probabilities=np.zeros(6, dtype=np.float32),
            sentence=SENTENCE,
            reached=(False,) * 6,
        ),
    )


def _object(source: Dataset, sop_class: UID, modality: str) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = generate_uid(entropy_srcs=[source.SOPInstanceUID, modality])
    ds.StudyInstanceUID, ds.SeriesInstanceUID = source.StudyInstanceUID, ds.SOPInstanceUID
    ds.PatientName, ds.PatientID, ds.Modality = source.PatientName, source.PatientID, modality
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def load(config: Config, worker: AskedWorker) -> StandIn:
    """Stand in for `node.app.load_pipeline`."""
    return StandIn(Path(os.environ["STAND_IN_FOLDER"]))
