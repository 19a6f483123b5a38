"""The results of an image as they leave the process that judged it: encoded, and small."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from node.store.encoded_object import EncodedObject, object_of
from sgseg_dicom.errors import SgsegError
from sgseg_dicom.result_kinds import Wanted
from sgseg_dicom.zones import ZONES

if TYPE_CHECKING:
    from node.judge.messages import Loaded
    from sgseg_dicom.comparison.films import Earlier, MeasuredFilm
    from sgseg_dicom.records import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """
    What became of an image that was judged.

    Attributes:
        objects: by file name.
        names: by the name of each destination, the files that it gets, in the order of delivery.
        is_positive: True where a region was found.
        summary: `summary_of`.
        measured: what is kept for later films of the patient; None: it cannot be compared.
    """

    objects: Mapping[str, EncodedObject]
    names: Mapping[str, tuple[str, ...]]
    is_positive: bool
    summary: str
    measured: "MeasuredFilm | None" = None


class Judge(Protocol):
    """Turns stored images into results; safe to call from many threads."""

    def __call__(
        self, path: Path, *, wanted: Mapping[str, Wanted], seconds: dict[str, float], earlier: "Earlier"
    ) -> Judged:
        """
        Judge one stored radiograph. The time of each stage is added to *seconds*.

        *earlier* gives the films of the same patient that were judged before.
        """
        ...

    def not_judged(self, path: Path, error: SgsegError) -> EncodedObject:
        """Write for one stored image that it was not judged, and why (*error*)."""
        ...

    def wait_ready(self) -> "Loaded | None":
        """Wait until it judges, and tell what model it has; None: it has none."""
        ...

    @property
    def is_able(self) -> bool:
        """False while nothing can be judged."""
        ...

    def close(self) -> None:
        """Judge nothing more."""
        ...


def judged(results: "Results") -> Judged:
    """Take the objects of *results* as they were written and checked."""
    return Judged(
        objects={name: object_of(one) for name, one in results.files.items()},
        names=results.names,
        is_positive=results.finding.is_positive,
        summary=summary_of(results),
        measured=results.measured,
    )


def summary_of(results: "Results") -> str:
    """
    Write in a few letters which weights judged the image, and what the results state: "df16e54c... PAAUAA R".

    Each zone is P, A or U (present, absent, undetermined), each region has the letter of its lung. A few pixels more
    or less do not change the summary.
    """
    finding = results.finding
    zones = "".join(finding.judgement_of(zone).value[0].upper() for zone in ZONES)
    lungs = "".join(region.laterality.value for region in finding.regions) or "-"
    weights = next((ds.get("DeviceSerialNumber") for ds in results.objects), None) or "-"
    return f"{weights} {zones} {lungs}"
