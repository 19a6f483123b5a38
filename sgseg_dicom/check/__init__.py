"""
Our own check of the results: the last step before they are kept, and the first that a PACS team can run.

It reads the finished data sets alone and shares no code with the encoders, so that it finds their errors.
"""

from collections.abc import Iterator, Mapping

from pydicom import Dataset

from sgseg_dicom.check.attributes import text
from sgseg_dicom.check.capture_and_state import capture, state
from sgseg_dicom.check.case import BASIC_TEXT, CAPTURES, REPORTS, SEGMENTATIONS, STATES, case_of
from sgseg_dicom.check.identity import identity
from sgseg_dicom.check.measurement_report import report
from sgseg_dicom.check.rules import Broken, Rule, Violation
from sgseg_dicom.check.segmentation import segmentation, segments_of
from sgseg_dicom.check.text_report import words
from sgseg_dicom.errors import InvalidResult
from sgseg_dicom.extent import Extent

__all__ = ["Rule", "Violation", "require_valid", "violations"]


def require_valid(
    objects: Mapping[str, Dataset],
    header: Dataset,
    *,
    extent: Extent | None = None,
    lung_centres: tuple[float, float] | None = None,
) -> None:
    """
    Check the results of one image, each by itself and all together.

    Args:
        objects: every object that was made of the image, by name.
        header: of the source image, decoded (`Radiograph.header`).
        extent: where the image lies in its stored grid; None: all over it.
        lung_centres: as `Finding.lung_centres`; None where the middle of the image decided the sides.

    Raises:
        InvalidResult: with every rule that is broken, and the objects, which must not be sent.
    """
    broken = violations(objects, header, extent=extent, lung_centres=lung_centres)
    if broken:
        raise InvalidResult(
            "\n".join(map(str, broken)),
            rules=tuple(dict.fromkeys(violation.rule.word for violation in broken)),
            objects=objects,
        )


def violations(
    objects: Mapping[str, Dataset],
    header: Dataset | None,
    *,
    extent: Extent | None = None,
    lung_centres: tuple[float, float] | None = None,
) -> list[Violation]:
    """
    Give every rule that an object breaks; none where all is well.

    Without *header* the objects are compared with each other alone: whose they are, what they say.
    Where a report measures shares of lungs and no *lung_centres* are given, the sides are held against where lungs
    usually lie.
    """
    case = case_of(objects, header, extent=extent, lung_centres=lung_centres)
    segments = {
        text(ds, "SOPInstanceUID"): segments_of(ds)
        for ds in objects.values()
        if text(ds, "SOPClassUID") in SEGMENTATIONS
    }

    def check(name: str) -> Iterator[Broken]:
        ds = objects[name]
        yield from identity(name, case)
        if text(ds, "SOPClassUID") in SEGMENTATIONS:
            yield from segmentation(ds, segments[text(ds, "SOPInstanceUID")], case)
        elif text(ds, "SOPClassUID") in REPORTS:
            yield from report(name, segments, case)
        elif text(ds, "SOPClassUID") == BASIC_TEXT:
            yield from words(name, segments, case)
        elif text(ds, "SOPClassUID") in CAPTURES:
            yield from capture(ds, case)
        elif text(ds, "SOPClassUID") in STATES:
            yield from state(ds, case)
        else:
            yield Rule.KNOWN_FORM, "SOPClassUID"

    return [Violation(name, path, rule) for name in objects for rule, path in dict.fromkeys(check(name))]
