"""From one stored radiograph to its results: the stages in order. Read this file first."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sgseg_dicom.applicability.header_rules import require_applicable
from sgseg_dicom.applicability.image_check import ImageCheck
from sgseg_dicom.applicability.sound_image import require_sound_image
from sgseg_dicom.check import require_valid
from sgseg_dicom.comparison.compare import compare
from sgseg_dicom.comparison.films import Earlier, Film, MeasuredFilm, no_earlier
from sgseg_dicom.comparison.header import film_of
from sgseg_dicom.comparison.repeatability import Repeatability
from sgseg_dicom.errors import SgsegError
from sgseg_dicom.findings.lung_fields import lung_fields_of
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import ENGLISH, Language
from sgseg_dicom.picture_style import PictureStyle
from sgseg_dicom.preprocess import preprocess
from sgseg_dicom.reading.read import read, read_header
from sgseg_dicom.records import Algorithm, Finding, ModelInput, Prediction, Radiograph, Results, WrittenObject
from sgseg_dicom.result_kinds import FOR_RESULTS_FOLDER, Wanted
from sgseg_dicom.results.encode import encode_results
from sgseg_dicom.results.not_judged import encode_not_judged
from sgseg_dicom.results.write import write

Timed = Callable[[str], AbstractContextManager[object]]
"""Called with a stage's name; the context that it gives is entered around the stage."""


class Segmenter(Protocol):
    """One input in, one prediction out; safe to call from many threads (`sgseg_dicom.inference.segmenter`)."""

    @property
    def algorithm(self) -> Algorithm:
        """Who judges."""
        ...

    def __call__(self, model_input: ModelInput) -> Prediction:
        """Judge one image."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """
    The way of a radiograph, with the parts that it needs; safe to call from many threads.

    The node, `sgseg predict` and the tests share it.

    Attributes:
        segmenter: the model.
        image_check: asks the pixels before they are judged whether they show an upright chest; None leaves this
            safety gate out ([model] image_check = false).
        clock: gives the site's local time, with which results are stamped.
        language: of what readers see.
        picture_style: how pictures mark regions ([report] picture_style).
        undeclared_character_set: the encoding of texts where an image declares none
            (`sgseg_dicom.reading.character_sets`); "": Latin-1.
        require_room: called with an image's number of pixels before they are decoded (`sgseg_dicom.reading.read`).
            None decodes every size.
        reader: reads a file; the node's takes DICOM alone (`sgseg_dicom.reading.film` has one for films too).
        repeatability: what is no clear change between two films; None: films are compared with no earlier ones.
    """

    segmenter: Segmenter
    image_check: ImageCheck | None
    clock: Callable[[], datetime]
    language: Language = ENGLISH
    picture_style: PictureStyle = "outline"
    undeclared_character_set: str = ""
    require_room: Callable[[int], None] | None = None
    reader: Callable[..., Radiograph] = read
    repeatability: Repeatability | None = None

    def __call__(
        self,
        path: Path,
        *,
        wanted: Mapping[str, Wanted] = FOR_RESULTS_FOLDER,
        timed: Timed = lambda stage: nullcontext(),
        earlier: Earlier = no_earlier,
    ) -> Results:
        """
        Turn one stored radiograph into the drafts that are *wanted*: a SEG where a region was found, and reports.

        Args:
            path: the stored image.
            wanted: by the name of each destination, what it wants.
            timed: measures each stage.
            earlier: gives the films of the same patient that were judged before.

        Raises:
            InstanceError: the instance is not DICOM, cannot be decoded, or must not be judged.
            InferenceError: the device failed.
            InvalidResult: a result failed its own check.
        """
        made_at = self.clock()
        with timed("read"):
            radiograph = self.read(path)
        finding = self.judge(radiograph, timed=timed)
        film = None if self.repeatability is None else film_of(radiograph, self.segmenter.algorithm)
        finding = self._compared(finding, film, earlier)
        made = self.encode(radiograph, finding, wanted=wanted, made_at=made_at, timed=timed)
        return replace(made, measured=_measured(film, finding))

    def read(self, path: Path) -> Radiograph:
        """
        Read one stored radiograph that may be judged, as far as its header tells.

        Raises:
            InstanceError: the instance is not DICOM, cannot be decoded, or must not be judged.
        """
        radiograph = self.reader(
            path, undeclared=self.undeclared_character_set, require_room=self.require_room
        )
        require_applicable(radiograph)
        return radiograph

    def judge(self, radiograph: Radiograph, *, timed: Timed = lambda stage: nullcontext()) -> Finding:
        """
        Say what is found on a radiograph, if the image check lets it pass.

        Raises:
            NotApplicable: its pixels show that it must not be judged.
            InferenceError: the device failed.
        """
        with timed("preprocess"):
            model_input = preprocess(radiograph)
        with timed("infer"):
            prediction = self.segmenter(model_input)
            fields = lung_fields_of(prediction.lungs)
        if self.image_check is not None:
            with timed("view"):  # the outcomes that a node has stored name the stage so
                require_sound_image(
                    radiograph, model_input, prediction.look, fields, image_check=self.image_check
                )
        with timed("measure"):
            return measure(prediction, radiograph, fields)

    def encode(
        self,
        radiograph: Radiograph,
        finding: Finding,
        *,
        made_at: datetime,
        wanted: Mapping[str, Wanted] = FOR_RESULTS_FOLDER,
        timed: Timed = lambda stage: nullcontext(),
    ) -> Results:
        """
        Make the objects that are *wanted*, write them, and check what was written.

        Raises:
            InvalidResult: a result failed its own check.
        """
        with timed("encode"):
            made, names = encode_results(
                radiograph,
                finding,
                wanted,
                algorithm=self.segmenter.algorithm,
                made_at=made_at,
                language=self.language,
                picture_style=self.picture_style,
            )
            files = {name: write(ds) for name, ds in made.items()}
        with timed("check"):
            read_back = {name: one.dataset for name, one in files.items()}
            require_valid(
                read_back,
                radiograph.header,
                extent=radiograph.stored_extent,
                lung_centres=finding.lung_centres,
            )
        return Results(
            source_uid=radiograph.sop_instance_uid,
            files=files,
            names=names,
            finding=finding,
            caution=tuple(self.language.caution(radiograph)),
        )

    def _compared(self, finding: Finding, film: Film | None, earlier: Earlier) -> Finding:
        """Add to a finding how it differs from that of an earlier film of the same patient, where there is one."""
        if film is None or self.repeatability is None or not finding.comparable_shares:
            return finding
        found = compare(film.taken, finding.comparable_shares, earlier(film), self.repeatability)
        return replace(finding, comparison=found)

    def not_judged(self, path: Path, error: SgsegError) -> WrittenObject:
        """
        Write for one stored image that it was not judged, and why (*error*); its pixels are not read.

        Raises:
            InvalidDataset: not even the header tells which image it is.
            UnsupportedObject: the image is a result of ours that came back.
            InvalidResult: the report failed its own check.
            StorageUnavailable: the file cannot be read.
        """
        made_at = self.clock()
        header = read_header(path, undeclared=self.undeclared_character_set)
        made = encode_not_judged(
            header, error, algorithm=self.segmenter.algorithm, made_at=made_at, language=self.language
        )
        report = write(made)
        require_valid({"answer.dcm": report.dataset}, header)
        return report


def _measured(film: Film | None, finding: Finding) -> MeasuredFilm | None:
    """Give what is kept for later films of the patient; None where no lung of this one can be compared."""
    shares = finding.comparable_shares
    return MeasuredFilm(film=film, shares=shares) if film is not None and shares else None
