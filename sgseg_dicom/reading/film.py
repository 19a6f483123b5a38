"""
A film without a DICOM header (PNG, JPEG, an array of numbers) as a radiograph.

Nothing says where the patient's sides are. The film counts as displayed in the usual way, the patient's right at its
left edge, and as an image that states nothing of its sides: so the same check asks whether its look tells them, and
everything that is said of it says so first.
"""

import hashlib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from sgseg_dicom.errors import InvalidDataset, StorageUnavailable
from sgseg_dicom.reading.grayscale import render
from sgseg_dicom.reading.picture_file import Picture, grey_of, is_picture, read_picture
from sgseg_dicom.reading.pixel_data import PixelFormat
from sgseg_dicom.reading.read import read
from sgseg_dicom.reading.undeclared_borders import shown_within_border
from sgseg_dicom.records import DisplaySettings, Orientation, Radiograph

_NAMESPACE = uuid.UUID("3f3f7a55-2c5a-5d0e-8a3b-0f2f6f2b9c61")
"""Of the UIDs of films, drawn once: the same film has the same UIDs wherever it lies."""


def read_any(
    path: Path, *, undeclared: str = "", require_room: Callable[[int], None] | None = None
) -> Radiograph:
    """
    Read a chest radiograph: DICOM as `sgseg_dicom.reading.read.read` does, or PNG or JPEG as a film.

    Raises:
        InstanceError: as `read` and `read_picture`.
        StorageUnavailable: the file cannot be read.
    """
    if is_picture(path):
        return film_of(read_picture(path, require_room=require_room))
    try:
        return read(path, undeclared=undeclared, require_room=require_room)
    except InvalidDataset as error:
        if _begins_as_dicom(path):
            raise
        raise InvalidDataset(
            f"the file is neither DICOM, PNG nor JPEG ({error})", names_image=error.names_image
        ) from error


def _begins_as_dicom(path: Path) -> bool:
    """Say whether the prefix of PS3.10 7.1 is there."""
    try:
        with path.open("rb") as file:
            return file.read(132).endswith(b"DICM")
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be read ({error.strerror})") from error


def film_of_array(values: NDArray[Any]) -> Radiograph:
    """
    Take an array as a film: (rows, columns) as displayed, the patient's right at the left edge, bone bright.

    Raises:
        UnsupportedObject: as `grey_of`.
    """
    return film_of(grey_of(np.asarray(values)))


def film_of(picture: Picture) -> Radiograph:
    """Make a radiograph of grey values; from the least to the greatest that occurs, as of an image without window."""
    header = _header(picture)
    shown = shown_within_border(picture.codes)
    rendered = render(
        picture.codes, header, PixelFormat.of(header), DisplaySettings(sides_are_stated=False), shown=shown
    )
    for grid in (rendered.grey, rendered.padding):
        if grid is not None:
            grid.flags.writeable = False
    return Radiograph(
        header=header,
        pixels=rendered.grey,
        padding=rendered.padding,
        orientation=Orientation(),
        spacing_mm=None,
        spacing_at_detector=False,
        display=rendered.display,
    )


def film_object(picture: Picture) -> Dataset:
    """Give the film as a Secondary Capture with its pixels as they are, for objects that refer to it."""
    film = _header(picture)
    film.file_meta = FileMetaDataset()
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stored = picture.codes.astype("<u2" if picture.bits > 8 else "u1").tobytes()
    film.PixelData = stored + b"\0" * (len(stored) % 2)
    return film


def _header(picture: Picture) -> Dataset:
    """Give the header of the Secondary Capture that the film would be (PS3.3 A.8.1): it names no patient."""
    digest = hashlib.sha256(f"{picture.codes.shape} {picture.bits} ".encode())
    digest.update(np.ascontiguousarray(picture.codes).data)
    header = Dataset()
    header.SOPClassUID = SecondaryCaptureImageStorage
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        name = f"{keyword} {digest.hexdigest()}"
        setattr(header, keyword, UID(f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"))
    header.Modality, header.ConversionType = "OT", "WSD"
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"):
        setattr(header, keyword, "")
    for keyword in ("AccessionNumber", "StudyID", "ReferringPhysicianName", "PatientOrientation"):
        setattr(header, keyword, "")
    header.SeriesNumber = header.InstanceNumber = 1
    header.Rows, header.Columns = picture.codes.shape
    header.BitsAllocated = header.BitsStored = picture.bits
    header.HighBit, header.PixelRepresentation, header.SamplesPerPixel = picture.bits - 1, 0, 1
    header.PhotometricInterpretation = "MONOCHROME2"
    return header
