"""A file in, and all that `sgseg predict` writes of it: objects, and a picture for people."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from sgseg_dicom.errors import StorageUnavailable
from sgseg_dicom.output_folder import OUR_PICTURE
from sgseg_dicom.pipeline import Pipeline
from sgseg_dicom.reading.film import film_object
from sgseg_dicom.reading.picture_file import is_picture, read_picture
from sgseg_dicom.records import Finding, Radiograph
from sgseg_dicom.results.secondary_capture import draw_picture
from sgseg_dicom.results.write import write

FILM = "film.dcm"
"""End of the name of a film that became DICOM."""

SIDES_ASSUMED = "assumed as displayed: the patient's right at the image's left"
"""Said of an image of which nothing states the sides."""

_COMPRESSION = 1
"""Of the picture's PNG: higher levels take three times as long, and save a tenth."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predicted:
    """
    What is written of one file.

    Attributes:
        name: what the names of its files begin with: the SOP Instance UID, or of a film the name of its file.
        finding: what all of them say.
        caution: what they say before it, in the readers' language.
        sides: says that the sides are assumed; "" where the image states them.
        files: contents, by the end of their name ("seg.dcm", "overlay.png").
    """

    name: str
    finding: Finding
    caution: tuple[str, ...]
    sides: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class FilePredictor:
    """
    Judges one file; safe to call from many threads.

    Attributes:
        pipeline: with a reader that takes films too.
        names: of films, by their path (`film_names`).
        picture: whether a picture is drawn.
        film_objects: whether a film without a header gets DICOM objects, and becomes one.
    """

    pipeline: Pipeline
    names: Mapping[Path, str]
    picture: bool = True
    film_objects: bool = False

    def __call__(self, path: Path) -> Predicted:
        """
        Read, judge, encode and draw.

        Raises:
            SgsegError: as `Pipeline`, or the film is none.
        """
        made_at = self.pipeline.clock()
        radiograph = self.pipeline.read(path)
        finding = self.pipeline.judge(radiograph)
        files: dict[str, bytes] = {}
        if path not in self.names or self.film_objects:
            results = self.pipeline.encode(radiograph, finding, made_at=made_at)
            files |= {name: one.content for name, one in results.files.items()}
        if path in self.names and self.film_objects:
            files[FILM] = write(film_object(read_picture(path))).content
        if self.picture:
            files[OUR_PICTURE] = self._drawn(radiograph, finding)
        return Predicted(
            name=self.names.get(path, radiograph.sop_instance_uid),
            finding=finding,
            caution=tuple(self.pipeline.language.caution(radiograph)),
            sides="" if radiograph.display.sides_are_stated else SIDES_ASSUMED,
            files=files,
        )

    def _drawn(self, radiograph: Radiograph, finding: Finding) -> bytes:
        picture = draw_picture(
            radiograph,
            finding,
            algorithm=self.pipeline.segmenter.algorithm,
            language=self.pipeline.language,
            style=self.pipeline.picture_style,
        )
        content = BytesIO()
        picture.save(content, "PNG", compress_level=_COMPRESSION)
        return content.getvalue()


def film_names(files: Sequence[Path]) -> dict[Path, str]:
    """
    Give what the results of each film among *files* are named: its own name without its ending.

    Films in several folders may have one name: each of them gets the start of its content's digest too, so that none
    writes over another, in whatever order they come.
    """
    films = [path for path in files if path.is_file() and _is_film(path)]
    times = Counter(path.stem for path in dict.fromkeys(films))
    return {path: path.stem if times[path.stem] == 1 else f"{path.stem}-{_digest(path)}" for path in films}


def _is_film(path: Path) -> bool:
    try:
        return is_picture(path)
    except StorageUnavailable:  # said where it is read
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]
