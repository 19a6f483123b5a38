"""
The source's header as results take it over: decoded, complete, sound, and always a copy.

highdicom raises for missing Type 2 attributes, for unreadable dates and for usual Japanese and Korean
character sets; and text that stays in the source's bytes would be written wrongly under another set.
"""

from copy import deepcopy

from pydicom import Dataset, config
from pydicom.dataelem import DataElement
from pydicom.tag import Tag
from pydicom.valuerep import DA, TM, VR, validate_value

from sgseg_dicom.errors import InvalidDataset
from sgseg_dicom.records import Radiograph

CHARACTER_SET = "ISO_IR 192"
"""Specific Character Set (0008,0005) of every result: UTF-8."""

_REQUIRED = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_TYPE_2 = (
    "AccessionNumber",
    "Manufacturer",
    "Modality",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "SeriesNumber",
    "StudyDate",
    "StudyID",
    "StudyTime",
)
_GROUPS = (0x0008, 0x0010, 0x0012, 0x0020)
"""Identification, patient, clinical trial, study and series: all that a result takes over."""

_FURTHER = ("BodyPartExamined", "DeviceSerialNumber", "ImagerPixelSpacing", "SoftwareVersions")
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
_FORMATTED = (VR.AS, VR.CS, VR.DA, VR.DS, VR.DT, VR.IS, VR.TM)
"""Representations whose values have a form; identifiers, names and text are taken over as they are."""

_PAIRS = ("ImagerPixelSpacing", "PatientOrientation")
_SEXES = ("M", "F", "O", "")


def source_of(radiograph: Radiograph) -> Dataset:
    """
    Copy of the header that results may inherit from; `radiograph.header` is not changed.

    Text is decoded from the source's character set, to be written in UTF-8. Values that are no values (a
    birth date 19500000) are left out, missing Type 2 attributes come in empty.

    Raises:
        InvalidDataset: a UID that every result must repeat is missing.
    """
    header = radiograph.header
    if missing := [keyword for keyword in _REQUIRED if not header.get(keyword)]:
        raise InvalidDataset(
            f"{', '.join(missing)} missing: a result could not name its image; send it complete"
        )
    source = _sound_copy(header)
    source.decode()
    source.walk(_drop_character_set)
    source.SpecificCharacterSet = CHARACTER_SET
    source.Rows, source.Columns = radiograph.stored_shape
    for keyword in _TYPE_2:
        if source.get(keyword) is None:
            setattr(source, keyword, "")
    if source.PatientSex not in _SEXES:
        source.PatientSex = ""
    for keyword in _PAIRS:
        if keyword in source and (source[keyword].VM != 2 or "" in source[keyword].value):
            del source[keyword]
    return source


def _sound_copy(header: Dataset) -> Dataset:
    copy = Dataset()
    named = {Tag(keyword) for keyword in _FURTHER + _LOSSY}
    for tag in list(header.keys()):  # decoding an element replaces it in the header
        if not tag.is_private and (tag.group in _GROUPS or tag in named):
            try:
                element = header[tag]
                _require_sound(element)
            except ValueError:
                continue
            copy.add(deepcopy(element))
    return copy


def _require_sound(element: DataElement) -> None:
    if element.VR not in _FORMATTED or element.is_empty or element.keyword == "SpecificCharacterSet":
        return
    for value in element.value if element.VM > 1 else [element.value]:
        validate_value(element.VR, str(value), config.RAISE)
        if element.VR in (VR.DA, VR.TM):
            (DA if element.VR == VR.DA else TM)(str(value))


def _drop_character_set(ds: Dataset, element: DataElement) -> None:
    if element.keyword == "SpecificCharacterSet":
        del ds[element.tag]
