"""Evaluation judges what the node judges: an undeclared border is cut off, and the mask laid onto the whole image."""

from dataclasses import replace

import numpy as np

from sgseg_dicom.records import Prediction
from tests.support.predictions import drawn_lungs
from tests.training.builders import draw, small_data_set
from training.data import load_mask, read_split
from training.data.borders_removed import borderless_input_of, without_border
from training.loop.batches import LoadedItems

CHEST = np.random.default_rng(5).integers(40, 200, (224, 224)).astype(np.uint8)


def bordered():
    """Give an image with a border of 44 columns at its left."""
    image = CHEST.copy()
    image[:, :44] = 0
    return image


def prediction_of(mask):
    """Give a prediction with this mask, at probabilities of 0 and 1."""
    return Prediction(
        mask_probability=mask.astype(np.float32),
        zone_probabilities=np.ones(6, dtype=np.float32),
        mask=mask,
        zones=(True,) * 6,
        threshold=0.5,
    )


def test_an_image_without_a_border_stays_whole():
    """Its prediction stays the same."""
    prepared, prediction = borderless_input_of(CHEST), prediction_of(CHEST > 100)

    assert prepared.model_input.pixels.shape == (224, 224)
    assert prepared.put_back(prediction) is prediction


def test_a_mask_is_laid_back_beside_the_border():
    """The left half of the model input is the left half of the image without its border."""
    half = np.zeros((224, 224), dtype=bool)
    half[:, :112] = True

    laid = borderless_input_of(bordered()).put_back(prediction_of(half))

    assert not laid.mask[:, :44].any()
    assert laid.mask[:, 45:133].all()
    assert not laid.mask[:, 135:].any()
    assert laid.mask_probability[:, :44].max() == 0


def test_training_cuts_the_border_as_the_node_does():
    """Image and mask are cut alike, and the image is the node's, within half a grey step."""
    half = np.zeros((224, 224), dtype=bool)
    half[:, 44:134] = True

    image, mask = without_border(bordered(), half)

    grey = image.astype(np.float32) / 255
    np.testing.assert_allclose(
        (grey - grey.mean()) / grey.std(), borderless_input_of(bordered()).model_input.pixels, atol=0.02
    )
    assert mask[:, :111].all()
    assert not mask[:, 113:].any()


def test_training_does_not_change_an_image_without_a_border():
    """Nothing is resampled."""
    mask = CHEST > 100

    assert without_border(CHEST, mask) == (CHEST, mask)


def test_bytes_and_shares_make_the_same_input():
    """Robustness changes floats from 0 to 1, evaluation reads bytes."""
    images = (bordered(), bordered().astype(np.float32) / 255)
    inputs = [borderless_input_of(pixels).model_input.pixels for pixels in images]

    np.testing.assert_allclose(*inputs, atol=1e-5)


def test_where_nothing_was_found_nothing_is_marked():
    """Probabilities alone mark nothing: there is no finding."""
    nothing = prediction_of(np.zeros((224, 224), dtype=bool))
    laid = borderless_input_of(bordered()).put_back(
        Prediction(
            mask_probability=np.ones((224, 224), dtype=np.float32),
            zone_probabilities=nothing.zone_probabilities,
            mask=nothing.mask,
            zones=(False,) * 6,
            threshold=0.5,
        )
    )

    assert not laid.mask.any()


def test_batches_are_without_borders(tmp_path):
    """What training loads is what `without_border` gives."""
    item = read_split(small_data_set(tmp_path), "train")[0]
    draw(item.image, bordered())
    grey, _ = without_border(bordered(), load_mask(item))

    np.testing.assert_array_equal(np.asarray(LoadedItems([item]).images[0]).squeeze(), grey)


def test_lungs_are_laid_back_with_the_mask():
    """Within the border, at the same place as a mask of the same shape; without lungs there are none."""
    lungs = drawn_lungs()
    laid = borderless_input_of(bordered()).put_back(replace(prediction_of(lungs == 1), lungs=lungs))

    assert laid.lungs is not None
    assert ((laid.lungs == 1) ^ laid.mask).sum() < 0.01 * laid.mask.sum()
    assert not laid.lungs[:, :44].any()
    assert set(np.unique(laid.lungs)) == {0, 1, 2}
    assert borderless_input_of(bordered()).put_back(prediction_of(lungs == 1)).lungs is None
