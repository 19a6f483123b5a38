"""Display Shutter (PS3.3 C.7.6.11): what it hides, collimator blades and bright edges, no viewer shows."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom import Dataset

from sgseg_dicom.attributes import numbers_of, text_of
from sgseg_dicom.records import Shutter

LEAST_SHOWN = 0.3
"""Share of the image that a shutter leaves open at least; one that hides more is of another image."""

_EDGES = (
    *("ShutterLeftVerticalEdge", "ShutterRightVerticalEdge"),
    *("ShutterUpperHorizontalEdge", "ShutterLowerHorizontalEdge"),
)
_CIRCLE = ("CenterOfCircularShutter", "RadiusOfCircularShutter")
_VERTICES = "VerticesOfThePolygonalShutter"
_KEYWORDS = ("ShutterShape", *_EDGES, *_CIRCLE, _VERTICES)


def shutter_of(header: Dataset, shape: tuple[int, int]) -> Shutter | None:
    """
    Find what the shutter hides in a stored grid of *shape* (Rows, Columns); None where it hides nothing.

    A pixel is shown where every shape that Shutter Shape (0018,1600) names shows it. Pixels are counted from 1, and
    those on an edge are shown. A shape whose numbers are missing hides nothing, nor does a shutter that leaves open
    less than LEAST_SHOWN.
    """
    named = text_of(header, "ShutterShape")
    if not named:
        return None
    shown = np.ones(shape, dtype=np.bool_)
    for name in named.split("\\"):
        if (one := _SHAPES.get(name, _nothing)(header, shape)) is not None:
            shown &= one
    if shown.all() or shown.mean() < LEAST_SHOWN:
        return None
    stated = Dataset()
    for keyword in _KEYWORDS:
        if keyword in header:
            stated[keyword] = header[keyword]
    return Shutter(hidden=~shown, stated=stated)


def _nothing(header: Dataset, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    return None


def _rectangle(header: Dataset, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    edges = [numbers_of(header, keyword) for keyword in _EDGES]
    if not all(edges):
        return None
    (left, *_), (right, *_), (upper, *_), (lower, *_) = edges
    rows, columns = _places(shape)
    return (columns >= left) & (columns <= right) & (rows >= upper) & (rows <= lower)


def _circle(header: Dataset, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    centre, radius = (numbers_of(header, keyword) for keyword in _CIRCLE)
    if len(centre) != 2 or not radius:
        return None
    rows, columns = _places(shape)
    # In columns; a pixel that is not square stretches it over rows, which hardly any radiograph has.
    return np.asarray((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius[0] ** 2)


def _polygon(header: Dataset, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    numbers = numbers_of(header, _VERTICES)
    if len(numbers) < 6 or len(numbers) % 2:
        return None
    corners = [(column - 1, row - 1) for row, column in zip(numbers[::2], numbers[1::2], strict=True)]
    drawn = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(drawn).polygon(corners, fill=1, outline=1)
    return np.asarray(drawn, dtype=np.bool_)


def _places(shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the numbers of rows and columns, from 1, as a column and a row."""
    return np.arange(1, shape[0] + 1)[:, None], np.arange(1, shape[1] + 1)[None, :]


_SHAPES = {"RECTANGULAR": _rectangle, "CIRCULAR": _circle, "POLYGONAL": _polygon}
