"""What is checked together: the objects of one image, and its header where it is at hand."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom import Dataset

from sgseg_dicom.check import vocabulary as v
from sgseg_dicom.check.attributes import code_of, items, text
from sgseg_dicom.check.content_tree import Item, content_of
from sgseg_dicom.extent import Extent

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
SEGMENTATIONS = (SEGMENTATION, LABEL_MAP)
REPORTS = (  # Comprehensive SR, Comprehensive 3D SR: what TID 1500 is written in
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.88.34",
)
BASIC_TEXT = "1.2.840.10008.5.1.4.1.1.88.11"
CAPTURES = (  # single-frame, and multi-frame true colour
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.4",
)
STATES = (  # greyscale, and colour, softcopy presentation state
    "1.2.840.10008.5.1.4.1.1.11.1",
    "1.2.840.10008.5.1.4.1.1.11.2",
)


@dataclass(frozen=True, slots=True)
class Equipment:
    """What one Processing Equipment item says of an algorithm; "" where it does not."""

    manufacturer: str = ""
    model: str = ""
    version: str = ""
    device_uid: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """
    All objects of one image.

    Attributes:
        objects: by name, at least one.
        header: of the source image; None where it is not at hand: what needs it is then not checked.
        extent: where the image lies in its stored grid; None: all over it.
        lung_centres: columns of the centres of the right and the left lung in the standard display, in parts of the
            image's width; None: the middle of the image tells the sides.
        contents: the content tree of each structured report among the objects, by the object's name.
    """

    objects: Mapping[str, Dataset]
    header: Dataset | None
    extent: Extent | None
    lung_centres: tuple[float, float] | None
    contents: Mapping[str, Item]

    @property
    def source_uid(self) -> str:
        """SOP Instance UID of the source image; "" where it is not at hand."""
        return "" if self.header is None else text(self.header, "SOPInstanceUID")


USUAL_CENTRES = (0.25, 0.75)
"""Where the lungs' centres are about, for results whose lungs are not at hand."""


def case_of(
    objects: Mapping[str, Dataset],
    header: Dataset | None,
    *,
    extent: Extent | None = None,
    lung_centres: tuple[float, float] | None = None,
) -> Case:
    """
    Read the objects' content trees, once for all rules.

    A report that measures the share of a lung says that the lungs decided the sides. Where *lung_centres* are not at
    hand then, they are taken to lie as they usually do.
    """
    reports = {name: ds for name, ds in objects.items() if text(ds, "SOPClassUID") in (*REPORTS, BASIC_TEXT)}
    contents = {name: content_of(ds) for name, ds in reports.items()}
    if lung_centres is None and any(_measures_lungs(root) for root in contents.values()):
        lung_centres = USUAL_CENTRES
    return Case(objects, header, extent, lung_centres, contents)


def _measures_lungs(root: Item) -> bool:
    groups = (group for place in root.all(v.IMAGING_MEASUREMENTS) for group in place.all(v.GROUP))
    return any(group.all(v.SHARE_OF_LUNG) for group in groups)


def equipment_of(ds: Dataset) -> Equipment:
    """Give the Processing Equipment of the object's own manufacturer (AIR); an empty one where there is none."""
    for item in items(ds, "ContributingEquipmentSequence"):
        purposes = [code_of(purpose) for purpose in items(item, "PurposeOfReferenceCodeSequence")]
        if v.PROCESSING_EQUIPMENT in purposes and text(item, "Manufacturer") == text(ds, "Manufacturer"):
            return Equipment(
                *(
                    text(item, keyword)
                    for keyword in ("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "DeviceUID")
                )
            )
    return Equipment()
