"""A Display Shutter hides what a viewer does not show: it is no image, neither for the range nor for the model."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from sgseg_dicom.preprocess import preprocess
from sgseg_dicom.read import read
from sgseg_dicom.shutter import shown_by_shutter
from tests.builders import chest_radiograph, synthetic_chest, write

SHAPE = (80, 100)
ROWS, COLUMNS = np.mgrid[1 : SHAPE[0] + 1, 1 : SHAPE[1] + 1]
RECTANGLE = {
    "ShutterLeftVerticalEdge": 11,
    "ShutterRightVerticalEdge": 90,
    "ShutterUpperHorizontalEdge": 6,
    "ShutterLowerHorizontalEdge": 75,
}
IN_RECTANGLE = (COLUMNS >= 11) & (COLUMNS <= 90) & (ROWS >= 6) & (ROWS <= 75)
CIRCLE = {"CenterOfCircularShutter": [40, 50], "RadiusOfCircularShutter": 35}
IN_CIRCLE = (ROWS - 40) ** 2 + (COLUMNS - 50) ** 2 <= 35**2


def header(**elements: object) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"ShutterShape": "RECTANGULAR", **RECTANGLE}, IN_RECTANGLE),
        ({"ShutterShape": "CIRCULAR", **CIRCLE}, IN_CIRCLE),
        ({"ShutterShape": ["RECTANGULAR", "CIRCULAR"], **RECTANGLE, **CIRCLE}, IN_RECTANGLE & IN_CIRCLE),
    ],
)
def test_what_lies_outside_is_hidden(elements, expected):
    """Rows and columns are counted from 1 (PS3.3 C.7.6.11); several shapes hide together."""
    np.testing.assert_array_equal(shown_by_shutter(header(**elements), SHAPE), expected)


def test_a_polygon_hides_what_lies_outside():
    """Vertices are row and column, in pairs; an edge is shown."""
    corners = [6, 11, 6, 90, 75, 90, 75, 11]
    shown = shown_by_shutter(header(ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=corners), SHAPE)
    np.testing.assert_array_equal(shown, IN_RECTANGLE)


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"ShutterShape": "RECTANGULAR"},
        {"ShutterShape": "RECTANGULAR", **dict.fromkeys(RECTANGLE, 0)},
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [40, 50]},
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 2, 3]},
        {"ShutterShape": "BITMAP"},
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [40, 50], "RadiusOfCircularShutter": 500},
    ],
)
def test_a_shutter_that_says_nothing_sensible_hides_nothing(elements):
    """Numbers that are missing, or would hide the whole image."""
    assert shown_by_shutter(header(**elements), SHAPE) is None


def test_bright_edges_behind_the_shutter_do_not_reach_the_model(tmp_path: Path):
    """The same chest with and without burnt-out edges that a viewer hides."""
    chest = synthetic_chest((200, 200))
    edges = {
        "ShutterShape": "RECTANGULAR",
        "ShutterLeftVerticalEdge": 21,
        "ShutterRightVerticalEdge": 180,
        "ShutterUpperHorizontalEdge": 1,
        "ShutterLowerHorizontalEdge": 200,
    }
    burnt = chest.copy()
    burnt[:, :20] = burnt[:, 180:] = 4095
    no_window = {"WindowCenter": None, "WindowWidth": None}

    def seen(pixels, **elements):
        return read(write(chest_radiograph(pixels=pixels, **no_window, **elements), tmp_path / "a.dcm"))

    bright, plain = seen(burnt, **edges), seen(chest, **edges)

    assert bright.padding is not None
    np.testing.assert_array_equal(bright.padding, np.indices((200, 200))[1] // 20 % 9 == 0)
    np.testing.assert_array_equal(preprocess(bright).pixels, preprocess(plain).pixels)
    assert not np.allclose(preprocess(bright).pixels, preprocess(seen(burnt)).pixels, atol=0.1)
