"""A film of the data sets as the radiograph that the node would have read from DICOM."""

import numpy as np
from pydicom import Dataset

from sgseg_dicom.reading.undeclared_borders import shown_within_border
from sgseg_dicom.records import DisplaySettings, Orientation, Radiograph
from training.data.items import Item, load_film


def radiograph_of(item: Item) -> Radiograph:
    """
    Read a film, in its own size, as a radiograph in the standard display.

    It has no header, so no rule of the header refuses it. Its sides count as stated: a PNG cannot state them, and
    otherwise the gate would refuse each film whose sides it is not sure of. An undeclared border is padding, as in
    `sgseg_dicom.reading`.

    Raises:
        DataError: the file cannot be read.
    """
    codes = load_film(item)
    shown = shown_within_border(codes)
    return Radiograph(
        header=Dataset(),
        pixels=codes.astype(np.float32) / np.float32(255),
        padding=None if shown is None else ~shown,
        orientation=Orientation(),
        spacing_mm=None,
        spacing_at_detector=False,
        display=DisplaySettings(sides_are_stated=True),
    )
