"""Pictures without a chest: folders of PNG, JPEG, TIFF or DICOM files -> grey arrays."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.preprocess import shrink
from training.data import DataError

_SLICES = 3
"""At most so many slices of a volume, or frames of a multi-frame image."""


def find_pictures(folders: Sequence[Path]) -> list[Path]:
    """Give every file below *folders* that is not hidden, in the order of their names."""
    return sorted(file for folder in folders for file in folder.rglob("[!.]*") if file.is_file())


def load_pictures(folders: Sequence[Path]) -> NDArray[np.uint8]:
    """
    Load every file that can be read as a picture, resized to uint8 (N, 224, 224), darkest 0 and brightest 255.

    Raises:
        DataError: there is no picture.
    """
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    pictures = [picture for file in find_pictures(folders) for picture in _load(file)]
    if not pictures:
        raise DataError(
            f"no picture below {', '.join(map(str, folders))}; name folders of PNG, JPEG or DICOM"
        )
    return np.stack(pictures)


def digest_of_pictures(pictures: NDArray[np.uint8]) -> str:
    """Give the sha256 over the pixels."""
    return hashlib.sha256(pictures.tobytes()).hexdigest()


def _load(file: Path) -> list[NDArray[np.uint8]]:
    try:
        image = sitk.ReadImage(str(file))
    except RuntimeError:  # SimpleITK raises it for files that are no image to it
        return []
    pixels = sitk.GetArrayFromImage(image).astype(np.float32)
    if image.GetNumberOfComponentsPerPixel() > 1:
        pixels = pixels[..., :3].mean(axis=-1)
    if pixels.ndim not in (2, 3) or min(pixels.shape[-2:]) < 32:
        return []
    slices = pixels[None] if pixels.ndim == 2 else pixels
    chosen = np.linspace(0, len(slices) - 1, min(_SLICES, len(slices))).round().astype(int)
    return [_grey(slices[place]) for place in chosen if np.ptp(slices[place]) > 0]


def _grey(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    small = shrink(pixels, INPUT_SIZE)
    return np.asarray((small - small.min()) * (255 / max(1e-6, float(np.ptp(small)))), dtype=np.uint8)
