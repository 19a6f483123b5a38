"""How our own results are recognised. Reader and encoders share it; it imports neither of them, nor highdicom."""

from pydicom import Dataset

MANUFACTURER = "sgseg-dicom"
"""Manufacturer (0008,0070) of every object of ours, of its device observer and of its algorithm."""

PROCESSING_EQUIPMENT = "109102"
"""Code value (DCM) of "Processing Equipment" (PS3.16 CID 7005): every algorithm of a result (IHE AIR)."""


def is_own_result(ds: Dataset) -> bool:
    """
    Tell whether *ds* is a result of ours that came back, of any version: it must never be processed.

    By the equipment that made it or contributed to it, never by a description, which people edit. The data set may
    have been read without its pixels.
    """
    if ds.get("Manufacturer") == MANUFACTURER:
        return True
    return any(
        item.get("Manufacturer") == MANUFACTURER
        and any(
            code.get("CodeValue") == PROCESSING_EQUIPMENT
            for code in item.get("PurposeOfReferenceCodeSequence") or []
        )
        for item in ds.get("ContributingEquipmentSequence") or []
    )
