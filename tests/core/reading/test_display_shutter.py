"""A Display Shutter hides what a viewer does not show: it is no image, neither for the range nor for the model."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from sgseg_dicom.applicability.image_check import ImageCheckScores, signs_of
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.preprocess import preprocess
from sgseg_dicom.reading.display_shutter import shutter_of
from sgseg_dicom.reading.read import read
from sgseg_dicom.records import Prediction
from sgseg_dicom.results.presentation_state import encode_state
from tests.support.builders import chest_radiograph, synthetic_chest, write
from tests.support.predictions import ALGORITHM, MADE_AT, ORIENTATIONS, both_lungs, read_built, stored_as

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
EVERYWHERE = Prediction(
    mask_probability=np.ones((224, 224), np.float32),
    zone_probabilities=np.ones(6, np.float32),
    mask=np.ones((224, 224), bool),
    zones=(True,) * 6,
    threshold=0.5,
)


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
    np.testing.assert_array_equal(~shutter_of(header(**elements), SHAPE).hidden, expected)


def test_a_polygon_hides_what_lies_outside():
    """Vertices are row and column, in pairs; an edge is shown."""
    corners = [6, 11, 6, 90, 75, 90, 75, 11]
    shutter = shutter_of(header(ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=corners), SHAPE)
    shown = ~shutter.hidden
    np.testing.assert_array_equal(shown, IN_RECTANGLE)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_shutter_is_of_the_stored_grid(orientation, tmp_path):
    """However the image is stored, the same corner of the display is hidden, and nothing is marked there."""
    shown = np.full((60, 80), 1500, np.uint16)
    shown[:, 40:] = 2500
    hidden = np.zeros(shown.shape, bool)
    hidden[:, :25] = hidden[:10] = True
    stored = ~orientation.to_stored(hidden)
    rows, columns = (np.flatnonzero(stored.any(axis=axis)) + 1 for axis in (1, 0))
    edges = dict(zip(RECTANGLE, (columns[0], columns[-1], rows[0], rows[-1]), strict=True))
    ds = stored_as(orientation, shown)
    ds.ShutterShape = "RECTANGULAR"
    for keyword, place in edges.items():
        setattr(ds, keyword, int(place))

    radiograph = read(write(ds, tmp_path / "a.dcm"))
    marked = sum(region.mask for region in measure(EVERYWHERE, radiograph).regions)
    state = encode_state(radiograph, measure(EVERYWHERE, radiograph), algorithm=ALGORITHM, made_at=MADE_AT)

    np.testing.assert_array_equal(radiograph.padding, hidden)
    assert (radiograph.pixels[hidden] == 0).all()
    np.testing.assert_array_equal(marked.astype(bool), stored)
    assert (state.ShutterShape, state.ShutterLeftVerticalEdge) == ("RECTANGULAR", columns[0])
    assert state.ShutterPresentationValue == 0


def test_what_is_hidden_is_not_taken_for_saturated():
    """Half of the image lies behind the shutter; the rest is a picture."""
    pixels = np.random.default_rng(0).normal(size=(224, 224)).astype(np.float32)
    pixels[:, :130] = pixels.min()
    hidden = np.zeros((224, 224), bool)
    hidden[:, :130] = True

    def saturated(**options):
        return signs_of(pixels, image_check=lambda _: ImageCheckScores(*[-9.0] * 6), **options)["saturated"]

    assert saturated() > 0.5
    assert saturated(padding=hidden) < 0.01


def test_a_state_of_an_image_without_a_shutter_has_none(tmp_path):
    """Nor one of a shutter that is not believed."""
    ds = chest_radiograph(ShutterShape="CIRCULAR", CenterOfCircularShutter=[1, 1], RadiusOfCircularShutter=2)
    radiograph = read(write(ds, tmp_path / "a.dcm"))
    state = encode_state(radiograph, measure(both_lungs(), radiograph), algorithm=ALGORITHM, made_at=MADE_AT)
    assert radiograph.padding is None
    assert "ShutterShape" not in state


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
    assert shutter_of(header(**elements), SHAPE) is None


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
    burnt[:, :20] = burnt[:, 180:] = np.random.default_rng(0).integers(4000, 4096, (200, 20))
    no_window = {"WindowCenter": None, "WindowWidth": None}

    def seen(pixels, **elements):
        return read(write(chest_radiograph(pixels=pixels, **no_window, **elements), tmp_path / "a.dcm"))

    bright, plain = seen(burnt, **edges), seen(chest, **edges)

    assert bright.padding is not None
    np.testing.assert_array_equal(bright.padding, np.indices((200, 200))[1] // 20 % 9 == 0)
    np.testing.assert_array_equal(preprocess(bright).pixels, preprocess(plain).pixels)
    assert not np.allclose(preprocess(bright).pixels, preprocess(seen(burnt)).pixels, atol=0.1)


def test_nothing_is_marked_in_the_corners_of_a_round_shutter():
    """
    Straight shutters are cut off before anything is marked; what a round one hides lies within the image.
    """
    radiograph = read_built(
        pixels=synthetic_chest((200, 200)),
        ShutterShape="CIRCULAR",
        CenterOfCircularShutter=[100, 100],
        RadiusOfCircularShutter=100,
    )
    marked = np.logical_or.reduce([region.mask for region in measure(EVERYWHERE, radiograph).regions])

    assert marked.mean() > 0.7
    assert not (marked & radiograph.padding).any()
