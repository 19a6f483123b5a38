"""What is read from the encoder's features: shapes, sides, and what a mirror image does to it."""

import numpy as np
import pytest
import torch

from sgseg_dicom.model.descriptors import asymmetry_of, content_of
from sgseg_dicom.model.heads import LOOKS
from sgseg_dicom.model.lungs import LungDecoder, lungs_of
from sgseg_dicom.model_records import LEFT_LUNG, RIGHT_LUNG, LookScores
from tests.support.heads import tiny_heads

CHANNELS = (3, 4, 5, 6)


def maps(size, channels=CHANNELS, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    strides = (4, 8, 16, 32)
    return [
        torch.randn(2, width, size // stride, size // stride, generator=generator)
        for width, stride in zip(channels, strides, strict=True)
    ]


def flipped(features):
    return [one.flip(-1) for one in features]


@pytest.mark.parametrize("size", [192, 224, 288])
@torch.inference_mode()
def test_lungs_come_at_half_the_size_of_the_pass(size):
    """Whatever the size of the pass; as labels they have the size that is asked for."""
    logits = LungDecoder(CHANNELS).eval()(maps(size))

    assert logits.shape == (2, 2, size // 2, size // 2)
    assert lungs_of(logits, 224).shape == (2, 224, 224)


def test_the_first_channel_is_the_right_lung():
    """The patient's: at the image's left. The likelier side wins, and below even odds neither does."""
    logits = torch.full((1, 2, 8, 8), -1.0)
    logits[0, 0, :, :3] = 2.0
    logits[0, 1, :, 6:] = 2.0
    logits[0, :, 0, 0] = torch.tensor([2.0, 3.0])

    lungs = lungs_of(logits, 8)[0].numpy()

    assert lungs.dtype == np.uint8
    assert (lungs[1:, :3] == RIGHT_LUNG).all()
    assert (lungs[:, 6:] == LEFT_LUNG).all()
    assert (lungs[:, 3:6] == 0).all()
    assert lungs[0, 0] == LEFT_LUNG
    assert set(np.unique(lungs)) == {0, 1, 2}


def test_content_is_that_of_the_mirror_image():
    """Mean and maximum of strides 8 to 32; the finest map is left out."""
    features = maps(224)
    content = content_of(features)

    assert content.shape == (2, 2 * (4 + 5 + 6))
    torch.testing.assert_close(content, content_of(flipped(features)))
    torch.testing.assert_close(content[:, 4:8], features[1].amax(dim=(2, 3)))


@pytest.mark.parametrize("size", [192, 224, 288])
def test_asymmetry_of_the_mirror_image_is_the_negative(size):
    """At 288 pixels the coarsest map has nine columns: the middle one belongs to both halves."""
    features = maps(size)
    asymmetry = asymmetry_of(features)

    assert asymmetry.shape == (2, 3 * (5 + 6))
    assert asymmetry.abs().max() > 0.1
    torch.testing.assert_close(asymmetry_of(flipped(features)), -asymmetry)


def test_asymmetry_is_left_minus_right_in_thirds():
    """What is bright at the top left alone is positive in the first third alone."""
    features = [torch.zeros(1, 1, side, side) for side in (48, 24, 12, 6)]
    features[2][..., :4, :6] = 1

    assert asymmetry_of(features).tolist() == [[1, 0, 0, 0, 0, 0]]


def test_descriptors_of_half_precision_are_means_in_full():
    """A mean that is rounded to half precision loses what a linear head adds up."""
    features = [one.bfloat16() for one in maps(224)]

    torch.testing.assert_close(content_of(features), content_of([one.float() for one in features]))


@torch.inference_mode()
def test_a_mirrored_image_scores_the_negative_of_mirrored_alone():
    """Lateral and child do not change; the scores come in the order of their record."""
    heads = tiny_heads()
    features = maps(224, [one.in_channels for one in heads.lungs.own])

    straight, mirror = heads.look(features), heads.look(flipped(features))

    assert LookScores._fields == LOOKS
    torch.testing.assert_close(mirror[:, :2], straight[:, :2])
    torch.testing.assert_close(mirror[:, 2], -straight[:, 2])
    assert straight[:, 2].abs().min() > 1e-3
