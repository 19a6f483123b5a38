"""Chest radiographs for the tests: seeded, valid, of nobody."""

import copy
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, generate_uid

SHAPE = (256, 224)
SOP_CLASSES = {
    "DX": uid.DigitalXRayImageStorageForPresentation,
    "DX for processing": uid.DigitalXRayImageStorageForProcessing,
    "CR": uid.ComputedRadiographyImageStorage,
    "SC": uid.SecondaryCaptureImageStorage,
    "SC byte": uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    "SC word": uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
}
LOSSLESS_SYNTAXES = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
)
LOSSY_SYNTAXES = {  # with their Lossy Image Compression Method (0028,2114)
    uid.JPEGBaseline8Bit: "ISO_10918_1",
    uid.JPEGExtended12Bit: "ISO_10918_1",
    uid.JPEGLSNearLossless: "ISO_14495_1",
    uid.JPEG2000: "ISO_15444_1",
    uid.HTJ2K: "ISO_15444_15",
}


def chest_radiograph(
    *, kind: str = "DX", pixels: NDArray[Any] | None = None, seed: int = 0, **keywords: Any
) -> Dataset:
    """
    Build a radiograph of *kind* (a key of SOP_CLASSES) on which dciodvfy finds no Error.

    *pixels* are stored values (rows, columns): uint8 makes an 8-bit image, int16 a signed one, everything
    else is unsigned in 16 allocated bits. *keywords* are DICOM keywords; None deletes the attribute.
    """
    stored = synthetic_chest(seed=seed) if pixels is None else np.asarray(pixels)
    if pixels is None and kind == "SC byte":
        stored = (stored >> 4).astype(np.uint8)
    ds = Dataset()
    polarity = keywords.get("PhotometricInterpretation", "MONOCHROME2")
    for attributes in (
        _patient_and_study(seed),
        _series_and_image(kind, seed),
        _pixel_module(stored, polarity),
    ):
        ds.update(attributes)
    ds.update(_modules_of(kind, ds))
    for keyword, value in keywords.items():
        if value is not None:
            setattr(ds, keyword, value)
        elif keyword in ds:
            delattr(ds, keyword)
    if keywords.get("BitsStored") and "HighBit" not in keywords:
        ds.HighBit = ds.BitsStored - 1
    if "PixelData" not in keywords:
        ds.PixelData = _native_bytes(stored, ds)
    return ds


def radiograph_of(png: NDArray[np.uint8], *, seed: int = 0, **keywords: Any) -> Dataset:
    """Wrap an 8-bit greyscale picture (rows, columns), bone bright, as DX with the window 0 to 255."""
    return chest_radiograph(pixels=np.asarray(png, dtype=np.uint8), seed=seed, **keywords)


def synthetic_chest(shape: tuple[int, int] = SHAPE, *, seed: int = 0) -> NDArray[np.uint16]:
    """Draw 12-bit stored values (rows, columns): two dark lungs, a heart to the image's right, some noise."""
    noise = np.random.default_rng(seed).normal(0, 20, shape)
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    body = 2600 - 900 * x**2 - 300 * y
    for centre, depth, width, height in (
        (-0.45, 1500, 0.28, 0.6),
        (0.45, 1500, 0.28, 0.6),
        (0.15, -700, 0.2, 0.3),
    ):
        body = body - depth * np.exp(-(((x - centre) / width) ** 2) - ((y + 0.05) / height) ** 4)
    return np.clip(body + noise, 0, 4095).astype(np.uint16)


def write(ds: Dataset, path: Path, transfer_syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Write *ds*, whose Pixel Data are native little endian, as a DICOM file in *transfer_syntax*."""
    out = copy.deepcopy(ds)
    out.file_meta = FileMetaDataset()
    out.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", "1.2.3")
    out.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
    out.file_meta.TransferSyntaxUID = transfer_syntax
    if "PixelData" in ds:
        if transfer_syntax.is_encapsulated:
            out.PixelData = encapsulate([_encode(ds, transfer_syntax)])
            out["PixelData"].VR = "OB"
        elif transfer_syntax == ExplicitVRBigEndian:
            out["PixelData"].VR = "OW" if ds.BitsAllocated == 16 else "OB"
    if transfer_syntax == ExplicitVRBigEndian:
        _swap_words(out)
    if transfer_syntax in LOSSY_SYNTAXES:
        out.LossyImageCompression = "01"
        out.LossyImageCompressionRatio = f"{len(ds.PixelData) / len(out.PixelData):.3f}"
        out.LossyImageCompressionMethod = LOSSY_SYNTAXES[transfer_syntax]
    out.save_as(path, enforce_file_format=True)
    return path


def stored_values(ds: Dataset) -> NDArray[Any]:
    """Give the native Pixel Data of a built data set as (rows, columns)."""
    dtype = f"<{'ui'[ds.PixelRepresentation]}{ds.BitsAllocated // 8}"
    count = ds.Rows * ds.Columns
    return np.frombuffer(ds.PixelData, dtype, count).reshape(ds.Rows, ds.Columns)


def _swap_words(ds: Dataset) -> None:
    for element in ds.iterall():
        if element.VR == "OW" and element.value:
            element.value = np.frombuffer(element.value, "<u2").astype(">u2").tobytes()


def _encode(ds: Dataset, transfer_syntax: UID) -> bytes:
    stored, bits = stored_values(ds), ds.BitsStored
    if transfer_syntax == uid.RLELossless:
        return bytes(get_encoder(transfer_syntax).encode(ds, index=0, encoding_plugin="pydicom"))
    if transfer_syntax in (uid.JPEG2000Lossless, uid.JPEG2000):
        level = 0 if transfer_syntax == uid.JPEG2000Lossless else 60
        reversible = transfer_syntax == uid.JPEG2000Lossless
        return imagecodecs.jpeg2k_encode(
            stored, level=level, codecformat="j2k", reversible=reversible, bitspersample=bits
        )
    if transfer_syntax in (uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K):
        return imagecodecs.htj2k_encode(stored, reversible=transfer_syntax != uid.HTJ2K)
    # JPEG and JPEG-LS know no sign: the stored bits are coded as they are (PS3.5 8.2.1, 8.2.3).
    plain = stored.view(f"u{stored.itemsize}") & np.array((1 << bits) - 1, f"u{stored.itemsize}")
    if transfer_syntax in (uid.JPEGLSLossless, uid.JPEGLSNearLossless):
        return imagecodecs.jpegls_encode(plain, level=2 if transfer_syntax == uid.JPEGLSNearLossless else 0)
    if transfer_syntax in (uid.JPEGLossless, uid.JPEGLosslessSV1):
        predictor = 6 if transfer_syntax == uid.JPEGLossless else 1
        return imagecodecs.jpeg8_encode(plain, lossless=True, predictor=predictor, bitspersample=bits)
    if transfer_syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit):
        return imagecodecs.jpeg8_encode(plain, level=95, bitspersample=8 if plain.itemsize == 1 else 12)
    raise ValueError(f"no encoder here for {transfer_syntax.name}")


def _native_bytes(stored: NDArray[Any], ds: Dataset) -> bytes:
    dtype = f"<{'ui'[ds.get('PixelRepresentation', 0)]}{ds.get('BitsAllocated', 16) // 8}"
    data = stored.astype(dtype).tobytes()
    return data + b"\0" * (len(data) % 2)


def _uid(what: str, seed: int) -> UID:
    return generate_uid(entropy_srcs=[f"sgseg-tests|{what}|{seed}"])


def _dataset(**attributes: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def _coded(code: Any) -> Dataset:
    return _dataset(
        CodeValue=code.value, CodingSchemeDesignator=code.scheme_designator, CodeMeaning=code.meaning
    )


def _patient_and_study(seed: int) -> Dataset:
    return _dataset(
        PatientName="Nobody^Anne",
        PatientID=f"TEST{seed:04d}",
        PatientBirthDate="19600401",
        PatientSex="O",
        PatientAge="064Y",
        StudyInstanceUID=_uid("study", seed),
        StudyDate="20240501",
        StudyTime="101500",
        StudyID="1",
        AccessionNumber=f"A{seed:04d}",
        ReferringPhysicianName="",
    )


def _series_and_image(kind: str, seed: int) -> Dataset:
    return _dataset(
        SOPClassUID=SOP_CLASSES[kind],
        SOPInstanceUID=_uid(f"instance {kind}", seed),
        Modality={"CR": "CR", "DX": "DX", "DX for processing": "DX"}.get(kind, "OT"),
        SeriesInstanceUID=_uid(f"series {kind}", seed),
        SeriesNumber=1,
        SeriesDate="20240501",
        SeriesTime="101600",
        InstanceNumber=1,
        ContentDate="20240501",
        ContentTime="101600",
        AcquisitionDate="20240501",
        AcquisitionTime="101600",
        BodyPartExamined="CHEST",
        PatientOrientation=["L", "F"],
        BurnedInAnnotation="NO",
        Manufacturer="sgseg tests",
        ManufacturerModelName="Synthetic",
        DeviceSerialNumber="0",
        SoftwareVersions="1",
        LossyImageCompression="00",
    )


def _pixel_module(stored: NDArray[Any], polarity: str) -> Dataset:
    signed = bool(stored.min() < 0) if stored.dtype.kind == "i" else False
    allocated = 8 if stored.dtype.itemsize == 1 else 16
    reach = 2 * max(-int(stored.min()), int(stored.max()) + 1) - 1 if signed else int(stored.max())
    stored_bits = 8 if allocated == 8 else 12 if reach <= 4095 else 16
    return _dataset(
        SamplesPerPixel=1,
        PhotometricInterpretation=polarity,
        Rows=stored.shape[0],
        Columns=stored.shape[1],
        BitsAllocated=allocated,
        BitsStored=stored_bits,
        HighBit=stored_bits - 1,
        PixelRepresentation=int(signed),
    )


def _modules_of(kind: str, image: Dataset) -> Dataset:
    inverse = image.PhotometricInterpretation == "MONOCHROME1"
    shape = {"PresentationLUTShape": "INVERSE" if inverse else "IDENTITY"}
    rescale = {"RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "US"}
    span = 2**image.BitsStored
    window = {"WindowCenter": 0 if image.PixelRepresentation else span // 2, "WindowWidth": span}
    if kind == "CR":
        return _dataset(ViewPosition="PA", ImagerPixelSpacing=[1.6, 1.6], PlateType="", **window)
    if kind.startswith("DX"):
        intent = "FOR PROCESSING" if kind == "DX for processing" else "FOR PRESENTATION"
        voi = window if intent == "FOR PRESENTATION" else {}
        return _dataset(**_dx_attributes(intent), **shape, **rescale, **voi)
    if kind == "SC":
        return _dataset(ConversionType="DI")
    return _dataset(ConversionType="DI", NumberOfFrames=1, **shape, **rescale)


def _dx_attributes(intent: str) -> dict[str, Any]:
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "PresentationIntentType": intent,
        "ImageLaterality": "U",
        "AnatomicRegionSequence": [_coded(codes.SCT.Chest)],
        "ViewCodeSequence": [_coded(codes.SCT.PosteroAnterior)],
        "ViewPosition": "PA",
        "AcquisitionContextSequence": [],
        "DetectorType": "DIRECT",
        "PositionerType": "",
        "ImagerPixelSpacing": [1.6, 1.6],
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": -1,
    }
