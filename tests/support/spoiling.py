"""One thing altered in good results, for the tests of what refuses it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from sgseg_dicom.check.content_tree import Item, content_of
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import load_language
from sgseg_dicom.result_kinds import Kind, Wanted
from sgseg_dicom.results.encode import encode_results
from sgseg_dicom.zones import ZONES, sentence_of
from tests.support.predictions import ALGORITHM, MADE_AT, both_lungs, read_built

Objects = dict[str, Dataset]
Change = Callable[[Objects], None]
Where = Callable[[Objects], Item]
MADE = {"algorithm": ALGORITHM, "made_at": MADE_AT}
EVERYTHING = {
    "archive": Wanted(results=tuple(Kind), sr_without_regions=True),
    "older": Wanted(results=(Kind.SEG,), segmentation="fractional"),
    "newest": Wanted(results=(Kind.SEG,), segmentation="labelmap"),
}
SR, SEG, TEXT = "sr.dcm", "seg.dcm", "text.dcm"
AREA = "42798000"
CAPTURE, STATE = "secondary-capture.dcm", "presentation-state.dcm"


def results(predicted: Any = None, wanted: Any = EVERYTHING, language: str = "en", **keywords: Any) -> Any:
    """Give the objects of an image, by name, and its header."""
    radiograph = read_built(**keywords)
    finding = measure(predicted or both_lungs(), radiograph)
    files, _ = encode_results(radiograph, finding, wanted, language=load_language(language), **MADE)
    return dict(files), radiograph.header


LEFT = (codes.SCT.Left.value, "SCT")


def find(ds: Dataset, *names: str) -> Item:
    """Give the first content item at a path of concept names."""
    item = content_of(ds)
    for name in names:
        item = next(child for child in item.children if child.name[0] == name)
    return item


def group_with(ds: Dataset, name: str) -> Item:
    """Give the first measurement group that has an item of this name."""
    measurements = find(ds, "126010")
    return next(group for group in measurements.children if any(c.name[0] == name for c in group.children))


def within(group: Item, *names: str) -> Item:
    for name in names:
        group = next(child for child in group.children if child.name[0] == name)
    return group


def recode(item: Item, value: str, scheme: str = "SCT") -> None:
    code = item.ds.ConceptCodeSequence[0]
    code.CodeValue, code.CodingSchemeDesignator = value, scheme


def drop(parent: Item, name: str) -> None:
    """Take the children of this name out of an item."""
    kept = [child.ds for child in parent.children if child.name[0] != name]
    parent.ds.ContentSequence = kept


def setting(name: str, **values: Any) -> Change:
    """Set attributes of an object; None deletes."""

    def change(objects: Objects) -> None:
        for keyword, value in values.items():
            if value is None:
                del objects[name][keyword]
            else:
                setattr(objects[name], keyword, value)

    return change


def on(name: str, act: Callable[[Dataset], Any]) -> Change:
    """Do something to one object."""

    def change(objects: Objects) -> None:
        act(objects[name])

    return change


def segment(place: int = 0, **values: Any) -> Change:
    """Set attributes of a segment; None deletes."""

    def change(objects: Objects) -> None:
        item = objects["seg.dcm"].SegmentSequence[place]
        for keyword, value in values.items():
            if value is None:
                del item[keyword]
            else:
                setattr(item, keyword, value)

    return change


def equipment(**values: Any) -> Change:
    """Set attributes of the Processing Equipment in the SR; None deletes."""

    def change(objects: Objects) -> None:
        item = objects["sr.dcm"].ContributingEquipmentSequence[-1]
        for keyword, value in values.items():
            if value is None:
                del item[keyword]
            else:
                setattr(item, keyword, value)

    return change


def stamp_left_on_the_right_lung(objects: Objects) -> None:
    """One shared data set for both segments' regions, modified last for the left lung."""
    right, left = objects["seg.dcm"].SegmentSequence
    right.AnatomicRegionSequence = left.AnatomicRegionSequence


def swap_masks(objects: Objects) -> None:
    """Give each lung the other one's pixels."""
    data = objects["seg.dcm"].PixelData
    objects["seg.dcm"].PixelData = data[len(data) // 2 :] + data[: len(data) // 2]


def mirror_masks(objects: Objects) -> None:
    """Write the pixels in the wrong column order: each region lies over the other lung."""
    seg = objects["seg-fractional.dcm"]
    frames = np.frombuffer(seg.PixelData, np.uint8).reshape(2, seg.Rows, seg.Columns)
    seg.PixelData = frames[:, :, ::-1].tobytes()


def overlap(objects: Objects) -> None:
    data = objects["seg.dcm"].PixelData
    half = len(data) // 2
    objects["seg.dcm"].PixelData = data[:half] + bytes(
        a | b for a, b in zip(data[:half], data[half:], strict=True)
    )


def smaller_seg(objects: Objects) -> None:
    """Shrink the SEG to a quarter of its rows and columns, pixels included."""
    seg = objects[SEG]
    seg.Rows, seg.Columns = seg.Rows // 4, seg.Columns // 4 // 8 * 8
    seg.PixelData = bytes(seg.NumberOfFrames * seg.Rows * seg.Columns // 8)


def empty(objects: Objects) -> None:
    data = objects["seg.dcm"].PixelData
    objects["seg.dcm"].PixelData = bytes(len(data) // 2) + data[len(data) // 2 :]


def swap_frames(objects: Objects) -> None:
    """Both frames name the same segment."""
    for frame in objects["seg.dcm"].PerFrameFunctionalGroupsSequence:
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 1


def probabilities(objects: Objects) -> None:
    seg = objects["seg-fractional.dcm"]
    seg.PixelData = seg.PixelData.replace(b"\xff", b"\x80", 1)


def unknown_label(objects: Objects) -> None:
    """A pixel of a label map has the number of no segment."""
    seg = objects["seg-labelmap.dcm"]
    seg.PixelData = b"\7" + seg.PixelData[1:]


def shift_outline(objects: Objects) -> None:
    """An outline ten rows off its mask, still on its side."""
    outline = group_with(objects["sr.dcm"], "111030")
    ds = within(outline, "111030").ds
    ds.GraphicData = [value + 10 * (place % 2) for place, value in enumerate(ds.GraphicData)]


def mirror_outline(objects: Objects) -> None:
    ds = within(group_with(objects["sr.dcm"], "111030"), "111030").ds
    width = objects["seg.dcm"].Columns
    ds.GraphicData = [
        width - value if place % 2 == 0 else value for place, value in enumerate(ds.GraphicData)
    ]


def outline_outside(objects: Objects) -> None:
    ds = within(group_with(objects["sr.dcm"], "111030"), "111030").ds
    ds.GraphicData = [value - 500 for value in ds.GraphicData]


def evaluation(*names: str) -> Where:
    return lambda objects: find(objects["sr.dcm"], "C0034375", *names)


def sr_group(kind: str, *names: str) -> Where:
    return lambda objects: within(group_with(objects["sr.dcm"], kind), *names)


def coded(where: Where, value: str, scheme: str = "SCT") -> Change:
    return lambda objects: recode(where(objects), value, scheme)


def without(where: Where, name: str) -> Change:
    return lambda objects: drop(where(objects), name)


def root(name: str) -> Where:
    return lambda objects: content_of(objects[name])


def put(where: Where, **values: Any) -> Change:
    """Set attributes of a content item."""

    def change(objects: Objects) -> None:
        for keyword, value in values.items():
            setattr(where(objects).ds, keyword, value)

    return change


def zone(place: int, judgement: str) -> Change:
    """Judge one of the six zones otherwise."""

    def change(objects: Objects) -> None:
        zones = [c for c in find(objects["sr.dcm"], "C0034375").children if c.name[0] == "128601007"]
        recode(zones[place], judgement)

    return change


def all_zones_of_a_lung(judgement: str) -> Change:
    def change(objects: Objects) -> None:
        for place in range(3):
            zone(place, judgement)(objects)

    return change


def member(name: str, keywords: str, value: Any) -> Change:
    """Set the last of *keywords*, joined by dots, in the first items of the sequences before it."""

    def change(objects: Objects) -> None:
        ds, (*path, last) = objects[name], keywords.split(".")
        for keyword in path:
            ds = ds[keyword].value[0]
        setattr(ds, last, value)

    return change


def inside(where: Where, keywords: str, value: Any) -> Change:
    """Set the last of *keywords* in the first items of the sequences under a content item."""

    def change(objects: Objects) -> None:
        member("item", keywords, value)({"item": where(objects).ds})

    return change


def of_another(name: str, path: Where | None = None) -> Change:
    """Let what an object, or an item, refers to be another image."""
    return lambda objects: reference_elsewhere(path(objects).ds if path else objects[name])


def equal(keyword: str, name: str, other: str) -> Change:
    """Give an object another one's value."""
    return lambda objects: setattr(objects[name], keyword, objects[other][keyword].value)


def open_outline(objects: Objects) -> None:
    """Leave out the last point, which closes the outline."""
    ds = sr_group("111030", "111030")(objects).ds
    ds.GraphicData = list(ds.GraphicData)[:-2]


def reference_elsewhere(ds: Dataset) -> None:
    """Let every reference to an image name another one."""
    for element in ds.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            element.value = generate_uid()


def track_together(objects: Objects) -> None:
    """Give both segments one Tracking UID."""
    right, left = objects[SEG].SegmentSequence
    right.TrackingUID = left.TrackingUID


def cut_off(objects: Objects) -> None:
    """Leave out the last word of the pixels."""
    objects[SEG].PixelData = objects[SEG].PixelData[:-2]


def report_of_zones(*names: str) -> str:
    """Write the sentence of the zones with these names."""
    return sentence_of([zone.name in names for zone in ZONES])


def take_back(objects: Objects) -> None:
    """Let the text say of an infected zone that it is not."""
    line = next(c for c in find(objects[TEXT], "59776-5").children if c.text.endswith(": signs of infection"))
    line.ds.TextValue = line.text.replace(": signs", ": no signs")


def say_of(zone_name: str, judgement: str) -> Change:
    """Let the text say something else of a zone."""

    def change(objects: Objects) -> None:
        lines = find(objects[TEXT], "59776-5").children
        line = next(c for c in lines if c.text.startswith(zone_name))
        line.ds.TextValue = f"{zone_name}: {judgement}"

    return change
