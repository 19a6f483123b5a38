"""
The source's header as results take it over: complete, sound, and always a copy.

highdicom raises for missing Type 2 attributes, for dates that are none and for a sex that is none. The header
is decoded already (`sgseg_dicom.reading.header`), so that it can be written again in UTF-8.
"""

from copy import deepcopy

from pydicom import Dataset, config
from pydicom.datadict import dictionary_has_tag, dictionary_VM
from pydicom.dataelem import DataElement
from pydicom.tag import Tag
from pydicom.valuerep import DA, TM, VR, validate_value

from sgseg_dicom.attributes import LOSS_KEYWORDS
from sgseg_dicom.records import Radiograph, Source

CHARACTER_SET = "ISO_IR 192"
"""Specific Character Set (0008,0005) of every result: UTF-8."""

_TYPE_2 = (
    "AccessionNumber",
    "Manufacturer",
    "Modality",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "StudyDate",
    "StudyID",
    "StudyTime",
)
_GROUPS = (0x0008, 0x0010, 0x0012, 0x0020)
"""Identification, patient, clinical trial, study and series: all that a result takes over."""

_FURTHER = (
    "DeviceSerialNumber",
    "ImagerPixelSpacing",
    *LOSS_KEYWORDS,
    "SoftwareVersions",
)
_FORMATTED = (VR.AS, VR.CS, VR.DA, VR.DS, VR.DT, VR.IS, VR.TM)
"""Representations whose values have a form; identifiers, names and text are taken over as they are."""

_TRIAL = ("ClinicalTrialSponsorName", "ClinicalTrialProtocolID")
"""Type 1 of the Clinical Trial Subject module (PS3.3 C.7.1.3): without them the rest of it is no module."""

_CODE_VALUES = ("CodeValue", "LongCodeValue", "URNCodeValue")
_PAIRS = ("ImagerPixelSpacing", "PatientOrientation")
_SEXES = ("M", "F", "O", "")


def source_of(radiograph: Radiograph) -> Dataset:
    """
    Copy what results may take over from the header, which is not changed, and the stored grid's size.

    See `identity_of`.
    """
    source = identity_of(radiograph)
    source.Rows, source.Columns = radiograph.stored_shape
    return source


def identity_of(image: Source) -> Dataset:
    """
    Copy what every result takes over: identification, patient, study and series of the image.

    Values that are no values (a birth date 19500000) are left out, missing Type 2 attributes come in empty.
    So does the patient's name: highdicom logs a name that it doubts. `finish` puts it in.
    """
    source = _sound_copy(image.header)
    source.SpecificCharacterSet = CHARACTER_SET
    for keyword in _TYPE_2:
        if source.get(keyword) is None:
            setattr(source, keyword, "")
    source.PatientName = ""
    if source.PatientSex not in _SEXES:
        source.PatientSex = ""
    for keyword in _PAIRS:
        if keyword in source and (source[keyword].VM != 2 or "" in source[keyword].value):
            del source[keyword]
    return source


def _sound_copy(header: Dataset) -> Dataset:
    sound, named = Dataset(), {Tag(keyword) for keyword in _FURTHER}
    for element in header:
        taken = element.tag.group in _GROUPS or element.tag in named
        if taken and _is_sound(element):
            sound.add(_with_one_name(deepcopy(element)))
    sound.remove_private_tags()  # in items: a vendor's elements may hold anything
    _remove_unfinished_items(sound)
    if not all(sound.get(keyword) for keyword in _TRIAL):
        for element in [one for one in sound if one.keyword.startswith("ClinicalTrial")]:
            del sound[element.tag]
    return sound


def _remove_unfinished_items(ds: Dataset) -> None:
    """Take out items that lack what their macro demands (Type 1), and sequences without items, at every depth."""
    for element in [one for one in ds if one.VR == VR.SQ]:
        for item in element.value:
            _remove_unfinished_items(item)
        element.value = [item for item in element.value if _is_finished(item, element.keyword)]
        if not element.value:
            del ds[element.tag]


def _is_finished(item: Dataset, keyword: str) -> bool:
    if keyword.endswith("CodeSequence"):  # PS3.3 table 8.8-1
        value = next((item.get(kind) for kind in _CODE_VALUES if item.get(kind)), None)
        return bool(value and item.get("CodeMeaning"))
    if keyword.startswith("Referenced"):  # PS3.3 table 10-11
        return bool(item.get("ReferencedSOPClassUID") and item.get("ReferencedSOPInstanceUID"))
    return any(not element.is_empty for element in item)


def _with_one_name(element: DataElement) -> DataElement:
    """Keep the first of several names where there may be one: highdicom refuses the rest."""
    if element.VR == VR.PN and element.VM > 1 and _may_have_one(element):
        element.value = element.value[0]
    return element


def _may_have_one(element: DataElement) -> bool:
    return dictionary_has_tag(element.tag) and dictionary_VM(element.tag) == "1"


def _is_sound(element: DataElement) -> bool:
    if element.VR not in _FORMATTED or element.is_empty:
        return True
    if element.VR in (VR.DA, VR.TM) and element.VM > 1 and _may_have_one(element):
        return False  # which of them is it?
    try:
        for value in element.value if element.VM > 1 else [element.value]:
            validate_value(element.VR, str(value), config.RAISE)
            if element.VR == VR.DA:
                DA(str(value))
            elif element.VR == VR.TM:
                TM(str(value))
    except ValueError:
        return False
    return True
