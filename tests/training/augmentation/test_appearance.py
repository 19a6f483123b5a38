"""Each change does what its name says, and leaves an image an image."""

import pytest
import torch

from training.augmentation.appearance import (
    CHANGES,
    blurred,
    coarsened,
    curved,
    equalised,
    grainy,
    make_foreign,
    sharpened,
    through_jpeg,
    windowed,
)


def seeded():
    return torch.Generator().manual_seed(1)


@pytest.fixture
def image():
    """A slope from dark to bright, with a bright square."""
    image = torch.linspace(0.2, 0.6, 64).expand(1, 64, 64).clone()
    image[:, 20:40, 20:40] = 0.8
    return image


def roughness(image):
    return image.diff(dim=2).abs().mean()


def test_a_window_cuts_what_lies_outside(image):
    """Both ends are reached, and the order of values stays."""
    shown = windowed(image, low=0.1, high=0.8)

    assert (shown == 0).float().mean() == pytest.approx(0.1, abs=0.03)
    assert (shown == 1).float().mean() >= 0.1
    assert (shown[0, 0].diff() >= 0).all()


def test_a_flat_image_has_no_window():
    """It is no division by zero."""
    assert windowed(torch.full((1, 8, 8), 0.5), low=0.1, high=0.9).isfinite().all()


def test_a_curve_keeps_black_white_and_order():
    """And is steeper than a line at its centre."""
    values = torch.linspace(0, 1, 101)[None, None]

    bent = curved(values, slope=8, centre=0.5)[0, 0]

    assert (bent[0], bent[-1]) == (pytest.approx(0, abs=1e-6), pytest.approx(1))
    assert (bent.diff() > 0).all()
    assert bent[55] - bent[45] > 0.15


def test_an_even_histogram_has_as_much_in_each_quarter(image):
    """Whatever it was before."""
    shares = torch.histc(equalised(image**3), bins=4, min=0, max=1) / image.numel()

    assert shares.max() < 0.4  # the square alone has a tenth
    assert shares.min() > 0.1


def test_sharpness_goes_both_ways(image):
    """A blur is softer, lifted edges are steeper, fewer pixels are softer."""
    assert blurred(image, pixels=4).diff(dim=2).abs().max() < image.diff(dim=2).abs().max()
    assert sharpened(image, amount=1.5, pixels=4).diff(dim=2).abs().max() > image.diff(dim=2).abs().max()
    assert coarsened(image, share=0.4).diff(dim=2).abs().max() < image.diff(dim=2).abs().max()
    assert coarsened(image, share=0.4).shape == image.shape


@pytest.mark.parametrize("pixels", [0.0, 4.0])
def test_grain_has_the_deviation_it_is_asked_for(pixels):
    """Coarse or fine; coarse grain differs less from pixel to pixel."""
    plain = torch.full((1, 128, 128), 0.5)

    noisy = grainy(plain, deviation=0.05, pixels=pixels, generator=seeded())

    assert noisy.std() == pytest.approx(0.05, rel=0.02)
    assert (roughness(noisy) < 0.04) == (pixels > 0)


def test_a_lower_quality_loses_more(image):
    """Little is lost at 95."""
    lost = [(through_jpeg(image, quality=quality) - image).abs().mean() for quality in (95, 20)]

    assert 0 < lost[0] < 0.01 < 2 * lost[1]
    assert lost[0] < lost[1]


def test_blacker_than_black_is_stored_as_black():
    """Noise goes below 0, and eight bits would make that white."""
    image = torch.tensor([-0.02, 1.02]).repeat_interleave(16).expand(1, 32, 32)

    assert through_jpeg(image, quality=95)[0, 0, [0, -1]].tolist() == pytest.approx([0, 1], abs=0.02)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("drawn", [0.0, 0.45, 0.99])
def test_whatever_is_drawn_an_image_comes_out(image, change, drawn):
    """Of the same shape, within 0 to 1."""
    changed = change(image, [drawn] * 3, seeded())

    assert changed.shape == image.shape
    assert changed.isfinite().all()
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_a_share_of_the_images_looks_foreign(image):
    """The others stay as they are; the same seed gives the same images; the given images do not change."""
    images = image.expand(40, 1, 64, 64).clone()

    half, again, none = (make_foreign(images, share=share, generator=seeded()) for share in (0.5, 0.5, 0.0))
    untouched = (half == images).flatten(1).all(dim=1)

    assert 10 <= untouched.sum() <= 30
    assert make_foreign(images - 0.5, share=0.0, generator=seeded()).min() == 0
    torch.testing.assert_close(half, again)
    torch.testing.assert_close(none, images)
    torch.testing.assert_close(images, image.expand(40, 1, 64, 64))
