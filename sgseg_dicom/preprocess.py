"""Radiograph -> ModelInput, and the mask's way back to the source grid. Training calls it too: one way."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image

from sgseg_dicom.model_records import INPUT_SIZE, ModelInput
from sgseg_dicom.row_blocks import row_blocks

if TYPE_CHECKING:  # pydicom comes with it
    from sgseg_dicom.records import Radiograph

_LARGE = 2_000_000
"""Pixels of an image of which a copy would count."""

_TALL = 1.4
"""Height in widths up to which Pillow takes the rows of a large image first; all versions do so far above it."""

FLAT = 1e-6
"""Deviation below which an image has one grey value."""


def preprocess(radiograph: "Radiograph") -> ModelInput:
    """
    Resize the image to the network's input and normalise.

    Padding around it is left out, as in the images that the network learned from; what is left of it in the corners
    takes the darkest value of the image.
    """
    place = radiograph.extent.place
    pixels = radiograph.pixels[place]
    if radiograph.padding is None or not (padding := radiograph.padding[place]).any() or padding.all():
        return ModelInput(pixels=normalise(shrink(pixels)))
    seen = (pixels[rows][~padding[rows]] for rows in row_blocks(pixels.shape))
    darkest = min(block.min() for block in seen if block.size)
    filled = _shrunk(lambda rows: np.where(padding[rows], darkest, pixels[rows]), pixels.shape, INPUT_SIZE)
    return ModelInput(pixels=normalise(filled), padding=shrink(padding) > 0)


def shrink(pixels: NDArray[Any], size: int = INPUT_SIZE) -> NDArray[np.float32]:
    """Resize (rows, columns) to (size, size); antialiased (bilinear over the source's support)."""
    return _shrunk(lambda rows: pixels[rows], pixels.shape, size)


def _shrunk(
    pixels_of: Callable[[slice], NDArray[Any]], shape: tuple[int, ...], size: int
) -> NDArray[np.float32]:
    """
    Shrink an image of *shape* whose rows *pixels_of* gives.

    Pillow needs a copy of what it resizes. Of a large image it gets block after block: it resizes each row to the new
    width first, and the columns of the result then, so the result is the same. Of an image much taller than wide it
    takes the columns first since version 13; so such a one is resized whole.
    """
    rows, columns = shape
    if rows * columns < _LARGE or rows > _TALL * columns:
        return _resized(pixels_of(slice(None)), (size, size))
    narrow = [_resized(pixels_of(block), (size, block.stop - block.start)) for block in row_blocks(shape)]
    return _resized(np.concatenate(narrow), (size, size))


def _resized(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize (rows, columns) to *size* (columns, rows) by Pillow."""
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), dtype=np.float32)


def normalise(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring to mean 0 and standard deviation 1 over the image; a flat image becomes 0."""
    centred = pixels - pixels.mean(dtype=np.float64)
    deviation = centred.std(dtype=np.float64)
    return np.asarray(centred / deviation if deviation > FLAT else centred * 0, dtype=np.float32)


def enlarge(probability: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """
    Resample a probability map (rows, columns) of the network to *shape*, linearly.

    Both grids cover the same area: pixel centres are aligned as in `shrink`, edges are held.
    """
    if probability.shape == shape:
        return probability
    image = sitk.GetImageFromArray(np.ascontiguousarray(probability, dtype=np.float32))
    rows, columns = probability.shape
    scale_x, scale_y = columns / shape[1], rows / shape[0]
    resampled = sitk.Resample(
        image,
        (shape[1], shape[0]),
        sitk.Transform(),
        sitk.sitkLinear,
        ((scale_x - 1) / 2, (scale_y - 1) / 2),
        (scale_x, scale_y),
        (1.0, 0.0, 0.0, 1.0),
        0.0,
        sitk.sitkFloat32,
        True,  # useNearestNeighborExtrapolator: the outermost half pixel is held
    )
    return np.asarray(sitk.GetArrayFromImage(resampled), dtype=np.float32)
