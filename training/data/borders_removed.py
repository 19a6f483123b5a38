"""An image without its undeclared border, as the node gives it to the network; and masks laid back onto it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.extent import Extent, extent_of
from sgseg_dicom.findings.measure import mask_on_display
from sgseg_dicom.model_records import LEFT_LUNG, RIGHT_LUNG
from sgseg_dicom.preprocess import enlarge, normalise, shrink
from sgseg_dicom.reading.undeclared_borders import shown_within_border
from sgseg_dicom.records import ModelInput, Prediction


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BorderlessInput:
    """
    A model input, and where it lies in its image.

    Attributes:
        model_input: the image without its undeclared border, resized and normalised.
        shape: rows and columns of the image.
        extent: the part of the image that *model_input* shows.
    """

    model_input: ModelInput
    shape: tuple[int, int]
    extent: Extent

    def put_back(self, prediction: Prediction) -> Prediction:
        """Lay a prediction of the model input onto the whole image; nothing in the border is marked."""
        if self.extent.shape == self.shape:
            return prediction
        probabilities = np.zeros(self.shape, dtype=np.float32)
        probabilities[self.extent.place] = enlarge(prediction.mask_probability, self.extent.shape)
        mask = np.zeros(self.shape, dtype=np.bool_)
        mask[self.extent.place] = mask_on_display(prediction, self.extent.shape)
        return replace(prediction, mask_probability=probabilities, mask=mask, lungs=self._lungs(prediction))

    def _lungs(self, prediction: Prediction) -> NDArray[np.uint8] | None:
        """Lay the lungs onto the whole image; in the border there is none."""
        if prediction.lungs is None:
            return None
        lungs = np.zeros(self.shape, dtype=np.uint8)
        for value in (RIGHT_LUNG, LEFT_LUNG):
            one = (prediction.lungs == value).astype(np.float32)
            lungs[self.extent.place][enlarge(one, self.extent.shape) > 0.5] = value
        return lungs


def without_border(
    pixels: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Cut the undeclared border off an image of 224 x 224 pixels and off its mask; resize both to 224 x 224 again."""
    shown = shown_within_border(pixels)
    if shown is None:
        return pixels, mask
    place = extent_of(~shown, (pixels.shape[0], pixels.shape[1])).place
    grey, marked = shrink(pixels[place].astype(np.float32)), shrink(mask[place].astype(np.float32))
    return grey.round().astype(np.uint8), marked >= 0.5


def borderless_input_of(pixels: NDArray[Any]) -> BorderlessInput:
    """Prepare an image of 224 x 224 pixels in the standard display, of 8 bits or from 0 to 1."""
    rows, columns = pixels.shape
    shown = shown_within_border(pixels)
    extent = extent_of(None if shown is None else ~shown, (rows, columns))
    grey = pixels[extent.place].astype(np.float32)
    if pixels.dtype == np.uint8:
        grey /= np.float32(255)
    model_input = ModelInput(pixels=normalise(shrink(grey)))
    return BorderlessInput(model_input=model_input, shape=(rows, columns), extent=extent)
