"""The core as a worker uses it: with one model, one language, and the site's clock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom import Dataset

from sgseg_dicom import pipeline
from sgseg_dicom.errors import SgsegError
from sgseg_dicom.language.language import Language
from sgseg_dicom.pipeline import Segmenter, Timed
from sgseg_dicom.records import Results
from sgseg_dicom.result_kinds import Wanted


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """
    Judges images and says of others that they were not judged.

    Attributes:
        segmenter: the model.
        language: of what readers see.
        clock: gives the site's local time.
        undeclared: the encoding of texts where an image declares none.
    """

    segmenter: Segmenter
    language: Language
    clock: Callable[[], datetime]
    undeclared: str = ""

    def __call__(self, path: Path, *, wanted: Sequence[Wanted], timed: Timed) -> Results:
        """Turn one stored radiograph into the results that are wanted (`sgseg_dicom.pipeline.process`)."""
        return pipeline.process(
            path,
            segmenter=self.segmenter,
            made_at=self.clock(),
            wanted=wanted,
            language=self.language,
            undeclared=self.undeclared,
            timed=timed,
        )

    def answer(self, path: Path, error: SgsegError) -> Dataset:
        """Write for one stored image that it was not judged (`sgseg_dicom.pipeline.answer`)."""
        return pipeline.answer(
            path,
            error,
            algorithm=self.segmenter.algorithm,
            made_at=self.clock(),
            language=self.language,
            undeclared=self.undeclared,
        )
