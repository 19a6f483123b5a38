"""The image check that ships, on real radiographs: good ones pass, spoiled ones are refused for what they are."""

import numpy as np
import pytest

from sgseg_dicom.applicability.image_check import worst_sign
from sgseg_dicom.model.image_check import load_image_check
from tests.support.data_folder import DATA, needs_data
from training.data import load_image, read_normals, read_split
from training.image_check.corruptions import CROPS, burnt_out, shuffled, turned
from training.image_check.measure import halve, signs_of_images

SEED = 11


@pytest.fixture(scope="module")
def image_check():
    return load_image_check()


@pytest.fixture(scope="module")
def sample():
    """Of valid patients whose images did not make the limits: 60 images, infected and normal."""
    items = read_split(DATA / "QaTa", "valid") + read_normals(DATA / "normals", "valid")
    measured = halve(items, measured=500, seed=7).measured
    order = np.random.default_rng(SEED).permutation(len(measured))[:60]
    return [load_image(measured[place]) for place in order]


def refused(images, image_check):
    return [worst_sign(signs, image_check.limits) for signs in signs_of_images(images, image_check, "sample")]


@needs_data
def test_good_radiographs_are_judged(image_check, sample):
    """At most one of 60 good images of patients that nothing was fitted to is refused (training/LOG.md: of 500)."""
    assert sum(sign is not None for sign in refused(sample, image_check)) <= 1


@needs_data
@pytest.mark.parametrize(
    ("sign", "spoil"),
    [
        ("inverted", lambda image: 255 - image),
        ("rotated", lambda image: turned(image, 1, mirrored=False)),
        ("rotated", lambda image: turned(image, 3, mirrored=False)),
        ("rotated", lambda image: turned(image, 1, mirrored=True)),
        ("upside_down", lambda image: turned(image, 2, mirrored=False)),
        ("upside_down", lambda image: turned(image, 2, mirrored=True)),
    ],
    ids=["inverted", "left", "right", "turned and mirrored", "180", "upside down, sides kept"],
)
def test_turned_and_inverted_radiographs_are_refused_by_that_name(sign, spoil, image_check, sample):
    """At least 57 of 60, and as what they are."""
    found = refused([spoil(image) for image in sample], image_check)

    assert found.count(sign) >= 57


@needs_data
@pytest.mark.parametrize(
    ("spoil", "least"),
    [*((crop, 45) for crop in CROPS.values()), (shuffled, 56), (burnt_out, 40)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_most_spoiled_radiographs_are_refused(spoil, least, image_check, sample):
    """Crops, shuffled and burnt-out images: rates in training/LOG.md, with room for rng."""
    rng = np.random.default_rng(SEED)
    found = refused([spoil(image, rng) for image in sample], image_check)

    assert sum(sign is not None for sign in found) >= least


@needs_data
def test_many_mirrored_radiographs_are_refused(image_check, sample):
    """Not all: hearts in the middle tell no side. None of the rest of the software rests on this."""
    found = refused([turned(image, 0, mirrored=True) for image in sample], image_check)

    assert found.count("mirrored") >= 20
