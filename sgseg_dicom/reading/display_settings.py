"""
How an image wants to be shown: modality LUT or rescale, VOI LUT or window, polarity, shutter, orientation.

Decided here, once. `sgseg_dicom.reading.grayscale` applies it, and whoever comes later finds it in the Radiograph.
"""

from collections.abc import MutableSequence

import numpy as np
from numpy.typing import NDArray
from pydicom import DataElement, Dataset
from pydicom.uid import DigitalXRayImageStorageForProcessing

from sgseg_dicom.attributes import first_number, free_text_of, numbers_of, text_of
from sgseg_dicom.frontal_views import names_frontal_view
from sgseg_dicom.reading.display_shutter import shutter_of
from sgseg_dicom.reading.patient_orientation import stated_orientation_of
from sgseg_dicom.reading.pixel_data import PixelFormat
from sgseg_dicom.records import DisplaySettings, LookupTable, Rescale, Window

_LUT_DESCRIPTOR = 0x00283002
_LATERALITIES = frozenset({"L", "R", "B"})
_VOI_FUNCTIONS = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})


def display_settings_of(header: Dataset, pixel_format: PixelFormat) -> DisplaySettings:
    """
    Read what *header* states of an image whose pixels have *pixel_format*.

    Whether the stated VOI is of use, the pixels say: `sgseg_dicom.reading.grayscale.render` takes it out where it is
    not.
    """
    stored = pixel_format.stored_range
    modality = _lookup_table(header, "ModalityLUTSequence", mapped=stored) or _rescale(header)
    measured = _range_after(modality, stored)
    return DisplaySettings(
        modality=modality,
        voi=_lookup_table(header, "VOILUTSequence", mapped=measured) or _window(header),  # PS3.3 C.11.2
        inverted=_is_inverted(header),
        shutter=shutter_of(header, (pixel_format.rows, pixel_format.columns)),
        orientation=stated_orientation_of(header),
        sides_are_stated=_states_sides(header),
    )


def is_raw(header: Dataset) -> bool:
    """Whether the image is not made for display (FOR PROCESSING)."""
    return (
        header.SOPClassUID == DigitalXRayImageStorageForProcessing
        or text_of(header, "PresentationIntentType") == "FOR PROCESSING"
    )


def intensity_sign(header: Dataset) -> int | None:
    """Give Pixel Intensity Relationship Sign (0028,1041), 1 where more beam means higher values; None if unknown."""
    numbers = numbers_of(header, "PixelIntensityRelationshipSign")
    return int(numbers[0]) if numbers and numbers[0] in (1, -1) else None


def _states_sides(header: Dataset) -> bool:
    """
    Whether an orientation, a frontal view or a laterality is stated: who sets one up has thought of the display.

    A description is no such statement, and neither is a filler: "U" (unpaired) is what most DX write, which must
    have a laterality (type 1, PS3.3 C.8.11.2). A quarter of the films of some hospitals states nothing.
    """
    lateralities = {text_of(header, keyword) for keyword in ("ImageLaterality", "Laterality")}
    codes = header.get("ViewCodeSequence") or ()
    return (
        stated_orientation_of(header).stated
        or bool(lateralities & _LATERALITIES)
        or names_frontal_view(free_text_of(header, "ViewPosition"))
        or any(names_frontal_view(text_of(one, "CodeMeaning"), text_of(one, "CodeValue")) for one in codes)
    )


def _rescale(header: Dataset) -> Rescale:
    slope = first_number(header, "RescaleSlope") or 1.0
    intercept = first_number(header, "RescaleIntercept") or 0.0
    return Rescale(slope, intercept)


def _window(header: Dataset) -> Window | None:
    """Give the first window; None where there is none that PS3.3 C.11.2.1.2 and C.11.2.1.3 allow."""
    centre, width = first_number(header, "WindowCenter"), first_number(header, "WindowWidth")
    stated = text_of(header, "VOILUTFunction")
    function = stated if stated in _VOI_FUNCTIONS else "LINEAR"
    if centre is None or width is None or width <= (1 if function == "LINEAR" else 0):
        return None
    return Window(centre, width, function)


def _is_inverted(header: Dataset) -> bool:
    """
    Whether the lowest value is to be white.

    MONOCHROME1 says so (PS3.3 C.7.6.3.1.2); so does Presentation LUT Shape INVERSE, which in an image is no
    second inversion but "to account for the value of Photometric Interpretation" (C.8.11.3). Where the two
    contradict each other, and in a raw image, that is not made for display, the physics decide if they are
    known: Pixel Intensity Relationship Sign 1 means that bone has low values. Else one "inverted" is enough.
    """
    stated = {text_of(header, "PhotometricInterpretation") == "MONOCHROME1"}
    shape = text_of(header, "PresentationLUTShape")
    if shape in ("IDENTITY", "INVERSE"):
        stated.add(shape == "INVERSE")
    sign = intensity_sign(header)
    if sign and (len(stated) == 2 or is_raw(header)):
        return sign == 1
    return True in stated


def _range_after(modality: LookupTable | Rescale, stored: tuple[float, float]) -> tuple[float, float]:
    """Give the least and the greatest value that can come out of the Modality LUT."""
    if isinstance(modality, LookupTable):
        return float(modality.entries.min(initial=0)), float(modality.entries.max(initial=0))
    ends = [value * modality.slope + modality.intercept for value in stored]
    return min(ends), max(ends)


def _lookup_table(header: Dataset, keyword: str, *, mapped: tuple[float, float]) -> LookupTable | None:
    """
    Give the first item of a Modality or VOI LUT Sequence (PS3.3 C.11.1.1); None where it is unusable.

    *mapped* are the least and the greatest value that may be looked up: stored ones, or what the Modality LUT gives.
    One with fewer entries than it says is cut off: which values its entries are for is not known.
    """
    items = header.get(keyword)
    descriptor = numbers_of(items[0], "LUTDescriptor") if items else []
    data = items[0].get("LUTData") if items else None
    if len(descriptor) != 3 or not data:
        return None
    count, first_mapped, bits = (int(number) for number in descriptor)
    count = count % 2**16 or 2**16  # 0 stands for 65,536
    entries = _entries(data, count, bits)
    if entries is None or len(entries) < count:
        return None
    first_mapped = _first_mapped(first_mapped, count, mapped)
    entries = entries[:count]
    stated = _with_sign(items[0], count, first_mapped, bits)
    return LookupTable(entries=entries, first_mapped=first_mapped, white=_white(entries, bits), stated=stated)


def _entries(data: object, count: int, bits: int) -> NDArray[np.int64] | None:
    """Give the entries of LUT Data; None where they are neither bytes nor integers."""
    if isinstance(data, bytes):
        # 8-bit entries may be packed two to a word, or have a word each.
        packed = bits <= 8 and len(data) - count in (0, 1)
        return np.frombuffer(data[: len(data) // 2 * 2], "u1" if packed else "<u2").astype(np.int64)
    numbers = [data] if isinstance(data, int) else data
    if not isinstance(numbers, MutableSequence) or not all(isinstance(one, int) for one in numbers):
        return None
    return np.array([int(one) % 2**16 for one in numbers], dtype=np.int64)


def _first_mapped(stated: int, count: int, mapped: tuple[float, float]) -> int:
    """
    Give the first value mapped with its sign: signed where the values that come in may be negative (C.11.2.1.1).

    Implicit VR does not tell its sign, and pydicom goes by Pixel Representation alone. Where the table would lie
    beside all of the values, the other reading is meant.
    """
    unsigned = stated % 2**16
    signed = unsigned - 2**16 if unsigned >= 2**15 else unsigned
    least, most = mapped
    readings = (signed, unsigned) if least < 0 else (unsigned, signed)
    return next((first for first in readings if first <= most and first + count > least), readings[0])


def _with_sign(item: Dataset, count: int, first_mapped: int, bits: int) -> Dataset:
    """Copy an item with LUT Descriptor in the representation that tells the sign: presentation states repeat it."""
    vr, top = ("SS", 2**15) if first_mapped < 0 else ("US", 2**16)
    copy = Dataset()
    copy.update(item)
    count = count - 2**16 if count >= top else count  # 65,536 is written as 0
    copy.add(DataElement(_LUT_DESCRIPTOR, vr, [count, first_mapped, bits]))
    return copy


def _white(entries: NDArray[np.int64], bits: int) -> int:
    """
    Give the entry that is white: the greatest of so many bits.

    Some write 16 where their entries have 12: a table that leaves three quarters of the greys unused means fewer.
    """
    stated = bits if 0 < bits <= 16 else 16
    needed = int(entries.max(initial=0)).bit_length()
    return int(2 ** (needed if 0 < needed <= stated - 2 else stated) - 1)
