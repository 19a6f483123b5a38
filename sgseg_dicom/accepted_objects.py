"""
What is accepted: SOP classes and transfer syntaxes, one list for the receiver and the reader.

A transfer syntax of the receiver alone would be acknowledged and then rejected. Segmentations and reports are not
among the classes, so our own results find no presentation context when an archive's routing rule sends them back. A
class that can hold a result of ours must not be added without `sgseg_dicom.own_results.is_own_result`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pydicom import uid
from pydicom.uid import UID

SOP_CLASSES: Mapping[UID, str] = MappingProxyType(
    {
        uid.ComputedRadiographyImageStorage: "CR",
        uid.DigitalXRayImageStorageForPresentation: "DX for presentation",
        uid.DigitalXRayImageStorageForProcessing: "DX for processing",
        uid.SecondaryCaptureImageStorage: "secondary capture",
        uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage: "grayscale byte secondary capture",
        uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage: "grayscale word secondary capture",
    }
)
"""Each class with its name in messages."""

TRANSFER_SYNTAXES: tuple[UID, ...] = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.RLELossless,
    uid.HTJ2KLosslessRPCL,
    uid.HTJ2KLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLossless,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.DeflatedExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.HTJ2K,
    uid.JPEG2000,
    uid.JPEGLSNearLossless,
    uid.JPEGExtended12Bit,
    uid.JPEGBaseline8Bit,
)
"""
In our order of preference where a sender offers several in one context: cheap to decode first, lossless before lossy.

`sgseg_dicom.reading.pixel_data` decodes every one of them; a test asks.
"""
