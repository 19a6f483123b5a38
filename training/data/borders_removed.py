"""What the node's network sees of an image, and where its answer lies: a frame is cut off here as it is there."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.extent import Extent, extent_of
from sgseg_dicom.findings.measure import mask_on_display
from sgseg_dicom.preprocess import enlarge, normalise, shrink
from sgseg_dicom.reading.undeclared_borders import shown_within_border
from sgseg_dicom.records import ModelInput, Prediction


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Seen:
    """
    An image as the network sees it.

    Attributes:
        model_input: what is left of it without a frame, resized and normalised.
        shape: rows and columns of the image.
        extent: where in it that lies.
    """

    model_input: ModelInput
    shape: tuple[int, int]
    extent: Extent

    def put_back(self, prediction: Prediction) -> Prediction:
        """Lay a prediction of the model input on the image; nothing is marked in the frame."""
        if self.extent.shape == self.shape:
            return prediction
        chances = np.zeros(self.shape, dtype=np.float32)
        chances[self.extent.place] = enlarge(prediction.mask_probability, self.extent.shape)
        mask = np.zeros(self.shape, dtype=np.bool_)
        mask[self.extent.place] = mask_on_display(prediction, self.extent.shape)
        return replace(prediction, mask_probability=chances, mask=mask)


def without_frame(
    pixels: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Cut a frame off an image of 224 x 224 pixels and its mask; what is left has that size again."""
    shown = shown_within_border(pixels)
    if shown is None:
        return pixels, mask
    place = extent_of(~shown, (pixels.shape[0], pixels.shape[1])).place
    grey, marked = shrink(pixels[place].astype(np.float32)), shrink(mask[place].astype(np.float32))
    return grey.round().astype(np.uint8), marked >= 0.5


def see(pixels: NDArray[Any]) -> Seen:
    """Look at an image of 224 x 224 pixels, of 8 bits or 0 to 1, in the standard display."""
    rows, columns = pixels.shape
    shown = shown_within_border(pixels)
    extent = extent_of(None if shown is None else ~shown, (rows, columns))
    grey = pixels[extent.place].astype(np.float32)
    if pixels.dtype == np.uint8:
        grey /= np.float32(255)
    return Seen(model_input=ModelInput(pixels=normalise(shrink(grey))), shape=(rows, columns), extent=extent)
