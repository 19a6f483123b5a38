"""The way into the network's grid, and the mask's way back."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.preprocess import enlarge, normalise, preprocess, shrink
from sgseg_dicom.records import DisplaySettings, Orientation, Radiograph


def radiograph(pixels: NDArray[np.float32], padding: NDArray[np.bool_] | None = None) -> Radiograph:
    return Radiograph(
        header=Dataset(),
        pixels=pixels,
        padding=padding,
        orientation=Orientation(),
        spacing_mm=None,
        spacing_at_detector=False,
        display=DisplaySettings(),
    )


def ramp(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Grey that rises linearly in both directions, by the position of pixel centres from 0 to 1."""
    rows, columns = ((np.arange(length) + 0.5) / length for length in shape)
    return np.add.outer(2 * rows, columns).astype(np.float32)


@pytest.mark.parametrize("shape", [(448, 448), (2500, 3000), (301, 257), (150, 640)])
def test_shrinking_aligns_pixel_centres(shape: tuple[int, int]) -> None:
    """A linear ramp stays the same ramp away from the edges: a shift of half a pixel would show."""
    inner = slice(4, -4)
    off = (shrink(ramp(shape)) - ramp((INPUT_SIZE, INPUT_SIZE)))[inner, inner] * INPUT_SIZE

    assert abs(off.mean()) < 0.01
    assert np.abs(off).max() < 0.2  # the filter has few taps where the ratio is near 1


@pytest.mark.parametrize("shape", [(448, 448), (2500, 3000), (301, 257), (150, 640)])
def test_enlarging_aligns_pixel_centres(shape: tuple[int, int]) -> None:
    """The way back puts the ramp where it was, half a pixel would show."""
    margin = tuple(slice(length // 50, -(length // 50)) for length in shape)

    enlarged = enlarge(ramp((INPUT_SIZE, INPUT_SIZE)), shape)

    np.testing.assert_allclose(enlarged[margin], ramp(shape)[margin], atol=0.01 / INPUT_SIZE)


@pytest.mark.parametrize("shape", [(900, 700), (512, 1024)])
def test_a_mask_comes_back_where_it_was(shape: tuple[int, int]) -> None:
    """A rectangle that is shrunk and enlarged keeps its edges to a pixel of the network's grid."""
    rows, columns = shape
    mask = np.zeros(shape, np.float32)
    mask[rows // 4 : rows // 2, columns // 3 : columns // 2] = 1

    back = enlarge(shrink(mask), shape) >= 0.5

    found_rows, found_columns = np.flatnonzero(back.any(axis=1)), np.flatnonzero(back.any(axis=0))
    assert abs(found_rows[0] - rows // 4) <= rows / INPUT_SIZE
    assert abs(found_rows[-1] + 1 - rows // 2) <= rows / INPUT_SIZE
    assert abs(found_columns[0] - columns // 3) <= columns / INPUT_SIZE
    assert abs(found_columns[-1] + 1 - columns // 2) <= columns / INPUT_SIZE
    assert back.sum() == pytest.approx(mask.sum(), rel=0.02)


def test_enlarging_holds_the_edges() -> None:
    """Beyond the outermost centres the outermost value goes on; nothing falls to zero."""
    enlarged = enlarge(np.full((INPUT_SIZE, INPUT_SIZE), 0.7, np.float32), (999, 1001))

    np.testing.assert_allclose(enlarged, 0.7, atol=1e-6)


def test_shrinking_does_not_alias() -> None:
    """A chequerboard finer than the network's grid becomes grey."""
    board = (np.indices((1120, 1120)).sum(axis=0) % 2).astype(np.float32)

    np.testing.assert_allclose(shrink(board), 0.5, atol=0.05)


@pytest.mark.parametrize("shape", [(224, 224), (300, 200)])
def test_the_input_is_normalised(shape: tuple[int, int]) -> None:
    """Mean 0, standard deviation 1, float32, on the network's grid, without changing the radiograph."""
    pixels = np.random.default_rng(0).random(shape, dtype=np.float32)
    before = pixels.copy()

    found = preprocess(radiograph(pixels)).pixels

    assert found.shape == (INPUT_SIZE, INPUT_SIZE)
    assert found.dtype == np.float32
    assert found.mean() == pytest.approx(0, abs=1e-5)
    assert found.std() == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(before, pixels)


def test_brightness_and_contrast_do_not_matter() -> None:
    """A window that is twice as wide gives the same input."""
    pixels = np.random.default_rng(0).random((INPUT_SIZE, INPUT_SIZE), dtype=np.float32)

    np.testing.assert_allclose(normalise(pixels * 0.5 + 0.2), normalise(pixels), atol=1e-4)


def test_a_flat_image_becomes_zero() -> None:
    """No division by a standard deviation of zero."""
    found = preprocess(radiograph(np.full((300, 300), 0.4, np.float32))).pixels

    np.testing.assert_array_equal(found, np.zeros((INPUT_SIZE, INPUT_SIZE)))


def test_padding_takes_the_darkest_value_of_the_image() -> None:
    """What padding pixels hold does not reach the network."""
    pixels = np.random.default_rng(0).uniform(0.2, 0.8, (300, 300)).astype(np.float32)
    padding = np.zeros(pixels.shape, np.bool_)
    padding[:40, :40] = True
    dark = np.where(padding, pixels[~padding].min(), pixels)

    for value in (0.0, 1.0):
        found = preprocess(radiograph(np.where(padding, np.float32(value), pixels), padding)).pixels
        np.testing.assert_allclose(found, preprocess(radiograph(dark)).pixels, atol=1e-5)
