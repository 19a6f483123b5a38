"""Radiograph -> ModelInput, and the mask's way back to the source grid. Training calls it too: one way."""

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image

from sgseg_dicom.model_records import ModelInput

if TYPE_CHECKING:  # pydicom comes with it, and the model takes INPUT_SIZE from here
    from sgseg_dicom.records import Radiograph

INPUT_SIZE = 224
"""Rows and columns of the network's input (paper section 3.3). The aspect changes, as it did in the data set."""

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
    pixels = np.where(padding, pixels[~padding].min(), pixels)
    return ModelInput(pixels=normalise(shrink(pixels)), padding=shrink(padding.astype(np.float32)) > 0)


def shrink(pixels: NDArray[np.float32], size: int = INPUT_SIZE) -> NDArray[np.float32]:
    """Resize (rows, columns) to (size, size); antialiased (bilinear over the source's support)."""
    if pixels.shape == (size, size):
        return np.asarray(pixels, dtype=np.float32)
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=np.float32)


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
