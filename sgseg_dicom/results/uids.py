"""
UIDs derived from what they stand for: the same image and the same weights always give the same UIDs.

A UID is `2.25.` and a name-based UUID (version 5) as a decimal number: valid without a registered root
(PS3.5 B.2, RFC 9562 5.5).
"""

import uuid

from pydicom.uid import UID

from sgseg_dicom.records import Algorithm, Radiograph, Source
from sgseg_dicom.zones import Laterality

_NAMESPACE = uuid.UUID("b8c0f0a4-3a0e-5c1e-9d0b-6a1c9f2f7f51")
"""Ours alone, drawn once. Changing it changes every UID that was ever made."""


def derived_uid(*parts: str) -> UID:
    """Derive a UID from *parts*, in their order; joined by "|", so that ("ab", "c") is not ("a", "bc")."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, '|'.join(parts)).int}")


def result_uid(radiograph: Source, algorithm: Algorithm, kind: str) -> UID:
    """Derive the UID of one *kind* of result ("SEG series"), of one image by one set of weights."""
    return derived_uid(radiograph.sop_instance_uid, algorithm.weights_digest, kind)


def device_uid(algorithm: Algorithm) -> UID:
    """Derive the Device UID (0018,1002): another one as soon as the weights change (IHE AIR)."""
    return derived_uid("device", algorithm.weights_digest)


def tracking_uid(radiograph: Radiograph, algorithm: Algorithm, side: Laterality, part: int = 1) -> UID:
    """
    Derive the Tracking UID (0062,0021) of one lung's region, the same in SEG and SR.

    A further *part* of a region that is not connected has its own: readers merge what is tracked together.
    """
    return result_uid(radiograph, algorithm, f"tracking {side.value}" + (f" {part}" if part > 1 else ""))
