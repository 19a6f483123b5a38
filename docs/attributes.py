"""The result objects attribute by attribute, for docs/CONFORMANCE.md: read from objects, not from memory."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from pydicom import Dataset
from pydicom.datadict import dictionary_description
from pydicom.dataelem import DataElement

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.records import Algorithm, Prediction
from sgseg_dicom.result_kinds import Wanted
from sgseg_dicom.results.encode import encode_results
from tests.support.builders import chest_radiograph, synthetic_chest
from tests.support.predictions import (
    ALGORITHM,
    IMAGE_RIGHT,
    both_lungs,
    prediction,
    read_built,
    spot,
    with_lungs,
)

Path = tuple[str, ...]
"""Keywords from the root to an attribute."""

_LONGEST = 64
_TREE = ("ContentSequence", "PixelData")  # shown as a tree, and not at all
_STANDARD = files("highdicom") / "_standard"


@dataclass(frozen=True, eq=False)
class Making:
    """All that goes into a result; a variation of one part shows what depends on it."""

    keywords: tuple[tuple[str, Any], ...] = (("seed", 0), ("StudyDescription", "Chest PA"))
    algorithm: Algorithm = ALGORITHM
    made_at: datetime = datetime(2026, 1, 2, 3, 4, 5)
    predicted: Prediction = with_lungs(both_lungs())  # noqa: RUF009 - frozen

    def header(self) -> Dataset:
        """Give the source image."""
        return chest_radiograph(**dict(self.keywords))

    @cache  # noqa: B019 - a handful, for the life of a script
    def results(self, wanted: Wanted) -> Mapping[str, Dataset]:
        """Give the results by their names."""
        radiograph = read_built(self.header())
        finding = measure(self.predicted, radiograph)
        made, _ = encode_results(
            radiograph, finding, {"any": wanted}, algorithm=self.algorithm, made_at=self.made_at
        )
        return made


PLAIN = Making()
NOTHING = replace(PLAIN, predicted=with_lungs(prediction(zones=[])))
_OTHER_IMAGE: Mapping[str, Any] = {
    "seed": 1,
    "pixels": synthetic_chest((240, 232), seed=1),
    "ImagerPixelSpacing": [1.5, 1.4],
    "StudyDescription": "Chest AP",
    "PatientName": "Somebody^Else",
    "PatientBirthDate": "19500203",
    "PatientAge": "074Y",
    "PatientSex": "F",
    "StudyDate": "20240601",
    "StudyTime": "111500",
    "StudyID": "2",
    "SeriesDate": "20240601",
    "PatientOrientation": ["R", "F"],
    "Manufacturer": "another",
    "ReferringPhysicianName": "Doctor^A",
    "kind": "CR",
}
_VARIATIONS = {
    "image": replace(PLAIN, keywords=tuple(_OTHER_IMAGE.items())),
    "finding": replace(
        PLAIN, predicted=with_lungs(prediction(spot(*IMAGE_RIGHT, radius=25), zones=["left lower"]))
    ),
    "algorithm": replace(PLAIN, algorithm=Algorithm(name="Other", version="9.9", weights_digest="ab" * 32)),
    "time": replace(PLAIN, made_at=datetime(2027, 6, 7, 8, 9, 10)),
}


class Row(NamedTuple):
    """One line of an attribute table."""

    tag: str
    name: str
    vr: str
    type: str
    origin: str
    example: str


def attribute_table(name: str, wanted: Wanted) -> list[Row]:
    """Describe the object *name* of a finding with two regions; each attribute once, items' below their sequence."""
    ds = PLAIN.results(wanted)[name]
    plain = dict(_flat(ds))
    others = {what: dict(_flat(_of_kind(ds, making.results(wanted)))) for what, making in _VARIATIONS.items()}
    headers = [dict(_flat(making.header())) for making in (PLAIN, _VARIATIONS["image"])]
    types = _types(ds.SOPClassUID)
    seen: dict[Path, Row] = {}
    for (path, place), element in plain.items():
        changed = [
            what for what, other in others.items() if _text(other.get((path, place))) != _text(element)
        ]
        copied = _is_copied((path, place), (plain, others["image"]), headers)
        if path not in seen:
            seen[path] = _row(path, element, types.get(path, "3"), _origin(changed, copied))
    return list(seen.values())


def content_tree(report: Dataset) -> list[str]:
    """Write the content of a report, one item a line."""
    return ["CONTAINER " + _concept(report.ConceptNameCodeSequence[0]), *_tree(report, 1)]


def _of_kind(ds: Dataset, results: Mapping[str, Dataset]) -> Dataset:
    return next(one for one in results.values() if one.SOPClassUID == ds.SOPClassUID)


def _flat(ds: Dataset, path: Path = (), place: tuple[int, ...] = ()) -> Iterator[tuple[Any, DataElement]]:
    """Give every attribute with its path and the numbers of the items that it is in."""
    for element in ds:
        here = (*path, element.keyword)
        if element.keyword in _TREE or element.tag.is_private:
            continue
        yield (here, place), element
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from _flat(item, here, (*place, number))


def _text(element: DataElement | None) -> str | None:
    if element is None:
        return None
    return "" if element.VR == "SQ" else str(element.value)


def _is_copied(key: Any, results: Sequence[Mapping[Any, DataElement]], headers: Sequence[Any]) -> bool:
    """Whether the value is that of the same attribute of either image."""
    return all(
        key in header and key in result and _text(header[key]) == _text(result[key])
        for result, header in zip(results, headers, strict=True)
    )


def _origin(changed: list[str], copied: bool) -> str:
    if changed == ["image"] and copied:
        return "copied from the image"
    return "from the " + " and the ".join(changed) if changed else "the same in all"


def _row(path: Path, element: DataElement, kind: str, origin: str) -> Row:
    tag = f"({element.tag.group:04X},{element.tag.element:04X})"
    name = "> " * (len(path) - 1) + dictionary_description(element.tag)
    if element.VR == "SQ":
        return Row(tag, name, "SQ", kind, "", "")
    shown = "\\".join(map(str, element.value)) if element.VM > 1 else str(element.value)
    if element.VR in ("OB", "OW", "OF"):
        shown = f"{len(element.value)} bytes"
    example = shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "..."
    return Row(tag, name, element.VR, kind, origin, " ".join(example.replace("|", "/").split()))


@cache
def _types(sop_class: str) -> Mapping[Path, str]:
    """Give the Type of each attribute of an IOD, the strictest of its modules'; from highdicom's tables of PS3.3."""
    iods, modules, names = (
        json.loads((_STANDARD / f"{table}.json").read_text())
        for table in ("iod_module_map", "module_attribute_map", "sop_class_iod_map")
    )
    types: dict[Path, str] = {}
    for module in iods[names[sop_class]]:
        for item in modules.get(module["key"], ()):
            path = (*item["path"], item["keyword"])
            types[path] = min(types.get(path, "3"), str(item["type"] or "3"))
    return types


def _concept(item: Dataset) -> str:
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
    return f'({value}, {item.CodingSchemeDesignator}, "{item.CodeMeaning}")'


def _tree(item: Dataset, depth: int) -> Iterator[str]:
    for child in item.get("ContentSequence", ()):
        concept = _concept(child.ConceptNameCodeSequence[0]) if "ConceptNameCodeSequence" in child else ""
        value = _value(child)
        relation = child.get("RelationshipType", "")
        yield f"{'  ' * depth}{relation} {child.ValueType} {concept}{' = ' + value if value else ''}"
        yield from _tree(child, depth + 1)


def _value(item: Dataset) -> str:
    match item.ValueType:
        case "CODE":
            return _concept(item.ConceptCodeSequence[0])
        case "TEXT":
            return f'"{item.TextValue}"'
        case "NUM":
            measured = item.MeasuredValueSequence[0]
            return f"{measured.NumericValue} {measured.MeasurementUnitsCodeSequence[0].CodeValue}"
        case "UIDREF":
            return str(item.UID)
        case "PNAME":
            return str(item.PersonName)
        case "SCOORD":
            return f"{item.GraphicType}, {len(item.GraphicData) // 2} points"
        case "IMAGE":
            reference = item.ReferencedSOPSequence[0]
            segment = reference.get("ReferencedSegmentNumber")
            return reference.ReferencedSOPClassUID.name + (f", segment {segment}" if segment else "")
    return ""
