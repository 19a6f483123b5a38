"""The first value mapped of a lookup table has the sign of the values that come in (PS3.3 C.11.1.1, C.11.2.1.1)."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sgseg_dicom.reading.read import read
from sgseg_dicom.records import LookupTable
from tests.support.builders import chest_radiograph, synthetic_chest, write

CHEST = synthetic_chest((96, 80))
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


def table(first: int, vr: str, entries: np.ndarray, *, modality: bool = False) -> list[Dataset]:
    """Give a LUT sequence of 12 bits whose first value mapped is written in *vr*."""
    item = Dataset()
    item.add(DataElement(0x00283002, vr, [len(entries), first, 12]))
    if modality:
        item.ModalityLUTType = "US"
    item.add(DataElement(0x00283006, "OW", entries.astype("<u2").tobytes()))
    return [item]


NO_WINDOW = {"WindowCenter": None, "WindowWidth": None}
IDENTITY = np.arange(4096)
CASES = {
    "negative by the intercept": (CHEST, {"RescaleIntercept": -2048}, -2048),
    "negative by the intercept, low": (CHEST, {"RescaleIntercept": -32768}, -32768),
    "negative pixels": (CHEST.astype(np.int16) - 2048, {"BitsStored": 12, "RescaleIntercept": 0}, -2048),
    "negative pixels made positive": (
        CHEST.astype(np.int16) - 2048,
        {"BitsStored": 12, "RescaleIntercept": 42048},
        40000,
    ),
    "positive, high": (CHEST, {"RescaleIntercept": 40000}, 40000),
    "positive, low": (CHEST, {"RescaleIntercept": 100}, 100),
}


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("vr", ["SS", "US"])
@pytest.mark.parametrize(("pixels", "attributes", "first"), CASES.values(), ids=CASES)
def test_a_voi_lut_begins_where_the_values_begin(
    pixels: np.ndarray, attributes: dict[str, object], first: int, vr: str, syntax: UID, tmp_path: Path
) -> None:
    """Whatever Pixel Representation and the value representation say, or do not say: the picture is the same."""
    written = first % 2**16 if vr == "US" else (first + 2**15) % 2**16 - 2**15
    lut = table(written, vr, IDENTITY[::-1])
    ds = chest_radiograph(pixels=pixels, VOILUTSequence=lut, RescaleSlope=1, **(NO_WINDOW | attributes))

    radiograph = read(write(ds, tmp_path / "x.dcm", syntax))

    np.testing.assert_allclose(radiograph.pixels, 1 - CHEST / 4095, atol=1e-6)
    assert isinstance(radiograph.display.voi, LookupTable)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_a_modality_lut_begins_where_the_stored_values_begin(syntax: UID, tmp_path: Path) -> None:
    """It maps stored values, so Pixel Representation tells; its output, which a VOI LUT maps, is never negative."""
    modality = table(-2048, "SS", IDENTITY[::-1], modality=True)
    voi = table(0, "US", IDENTITY[::-1])
    pixels = CHEST.astype(np.int16) - 2048
    given = {
        "ModalityLUTSequence": modality,
        "VOILUTSequence": voi,
        "RescaleSlope": None,
        "RescaleIntercept": None,
    }
    ds = chest_radiograph(pixels=pixels, BitsStored=12, **(NO_WINDOW | given))

    radiograph = read(write(ds, tmp_path / "x.dcm", syntax))

    np.testing.assert_allclose(radiograph.pixels, CHEST / 4095, atol=1e-6)


def test_the_table_tells_its_sign_from_then_on(tmp_path: Path) -> None:
    """A presentation state repeats it, in a transfer syntax that has value representations."""
    lut = table(-2048, "SS", IDENTITY)
    ds = chest_radiograph(
        pixels=CHEST, VOILUTSequence=lut, RescaleSlope=1, RescaleIntercept=-2048, **NO_WINDOW
    )

    voi = read(write(ds, tmp_path / "x.dcm", ImplicitVRLittleEndian)).display.voi

    assert isinstance(voi, LookupTable)
    descriptor = voi.stated["LUTDescriptor"]
    assert (descriptor.VR, list(descriptor.value)) == ("SS", [4096, -2048, 12])
