"""Evaluation judges what the node judges: a frame is cut off, and the answer laid on the whole image again."""

import numpy as np

from sgseg_dicom.records import Prediction
from tests.training.builders import draw, small_data_set
from training.data import load_mask, read_split
from training.data.borders_removed import see, without_border
from training.loop.batches import LoadedItems

CHEST = np.random.default_rng(5).integers(40, 200, (224, 224)).astype(np.uint8)


def framed():
    """A frame of 44 columns at the image's left."""
    image = CHEST.copy()
    image[:, :44] = 0
    return image


def said(mask):
    """Give a prediction with this mask, at chances of 0 and 1."""
    return Prediction(
        mask_probability=mask.astype(np.float32),
        zone_probabilities=np.ones(6, dtype=np.float32),
        mask=mask,
        zones=(True,) * 6,
        threshold=0.5,
    )


def test_an_image_without_a_frame_is_seen_whole():
    """And its prediction is what it was."""
    seen, prediction = see(CHEST), said(CHEST > 100)

    assert seen.model_input.pixels.shape == (224, 224)
    assert seen.put_back(prediction) is prediction


def test_an_answer_is_laid_back_beside_the_frame():
    """The left half of what the network saw is the left half of what the frame leaves."""
    half = np.zeros((224, 224), dtype=bool)
    half[:, :112] = True

    laid = see(framed()).put_back(said(half))

    assert not laid.mask[:, :44].any()
    assert laid.mask[:, 45:133].all()
    assert not laid.mask[:, 135:].any()
    assert laid.mask_probability[:, :44].max() == 0


def test_training_learns_from_what_the_node_sees():
    """Image and mask are cut alike, and the image is that of `see`, to half a grey step."""
    half = np.zeros((224, 224), dtype=bool)
    half[:, 44:134] = True

    image, mask = without_border(framed(), half)

    grey = image.astype(np.float32) / 255
    np.testing.assert_allclose((grey - grey.mean()) / grey.std(), see(framed()).model_input.pixels, atol=0.02)
    assert mask[:, :111].all()
    assert not mask[:, 113:].any()


def test_an_image_without_a_frame_is_learned_from_as_it_is():
    """Nothing is resampled."""
    mask = CHEST > 100

    assert without_border(CHEST, mask) == (CHEST, mask)


def test_bytes_and_shares_are_seen_alike():
    """Robustness changes floats from 0 to 1, evaluation reads bytes."""
    seen = [see(pixels).model_input.pixels for pixels in (framed(), framed().astype(np.float32) / 255)]

    np.testing.assert_allclose(*seen, atol=1e-5)


def test_where_nothing_was_found_nothing_is_marked():
    """Chances alone mark nothing: there is no finding."""
    nothing = said(np.zeros((224, 224), dtype=bool))
    laid = see(framed()).put_back(
        Prediction(
            mask_probability=np.ones((224, 224), dtype=np.float32),
            zone_probabilities=nothing.zone_probabilities,
            mask=nothing.mask,
            zones=(False,) * 6,
            threshold=0.5,
        )
    )

    assert not laid.mask.any()


def test_batches_are_without_frames(tmp_path):
    """What training loads is what `without_border` gives."""
    item = read_split(small_data_set(tmp_path), "train")[0]
    draw(item.image, framed())
    grey, _ = without_border(framed(), load_mask(item))

    np.testing.assert_array_equal(np.asarray(LoadedItems([item]).images[0]).squeeze(), grey)
