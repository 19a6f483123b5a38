"""Fitting and measuring the image check: its parts, on generated images."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from sgseg_dicom.applicability.image_check import Limits, Sign, worst_sign
from training.data import DataError, Item
from training.image_check.corruptions import CROPS, shuffled, turned
from training.image_check.fit import Schedule, fit_image_check
from training.image_check.measure import LATERAL, choose_limits, halve, table, verdicts
from training.image_check.pictures import load_pictures
from training.image_check.synthetic_negatives import HELD_OUT, LEARNED, draw

RAMP = np.add.outer(np.arange(224), np.zeros(224)).astype(np.uint8)


def item(name: str) -> Item:
    return Item(name=name, image=Path(name), mask=None, zones=(False,) * 6)


def signs(**values: float) -> dict[Sign, float]:
    return dict.fromkeys(get_args(Sign), -5.0) | {"blank": 0.5, "saturated": 0.1} | values


def test_no_patient_is_measured_whose_images_made_the_limits():
    """And the lateral, which is no good image, is in neither half."""
    items = [item(f"sub-s{patient:05d}_{image}") for patient in range(40) for image in range(1 + patient % 3)]

    halves = halve([*items, item(f"{LATERAL}_x")], measured=30, seed=1)

    measured = {one.patient for one in halves.measured}
    assert len(halves.measured) == 30
    assert not measured & {one.patient for one in halves.limits}
    assert not any(one.name.startswith(LATERAL) for one in (*halves.measured, *halves.limits))


def test_limits_refuse_no_more_good_images_than_is_allowed():
    """The outliers of mirrored may be refused, 3 in 1,000; of rotation not one."""
    good = [signs(mirrored=value / 1000, rotated=value / 1000) for value in range(1000)]

    limits = choose_limits(good)

    refused = verdicts(good, limits)["refused"]
    assert set(refused) <= {"mirrored"}
    assert refused.get("mirrored", 0) <= 3


def test_a_limit_is_never_where_the_network_still_calls_the_image_sound():
    """However low the good images are, below even odds nothing is refused."""
    limits = choose_limits([signs()] * 100)

    assert limits.rotated == 0
    assert limits.inverted == 3  # white frames of good films look a little inverted
    assert worst_sign(signs(inverted=-0.1), limits) is None


def test_the_table_counts_every_image_once():
    """Let through and refused make up all."""
    limits = Limits(**dict.fromkeys(get_args(Sign), 1.0))
    figures = verdicts([signs(), signs(inverted=2.0), signs(cut_off=3.0, mirrored=2.0)], limits)

    assert figures == {"images": 3, "let_through": 1, "refused": {"inverted": 1, "cut_off": 1}}
    assert "| good | 3 | 1 (33.3%) | inverted 1, cut off 1 |" in table({"good": figures, "bad": {}})


@pytest.mark.parametrize("name", CROPS)
def test_a_crop_keeps_the_size_and_loses_a_part(name):
    """What is left is squeezed to the whole square, as the node does with an image of any shape."""
    spoiled = CROPS[name](RAMP.T if name == "one lung" else RAMP, np.random.default_rng(2))

    assert spoiled.shape == RAMP.shape
    assert np.ptp(spoiled) < 0.7 * np.ptp(RAMP)


def test_shuffled_tiles_are_never_the_image_itself():
    """Else a chest would be learned as none."""
    rng = np.random.default_rng(3)

    assert all(not np.array_equal(shuffled(RAMP, rng), RAMP) for _ in range(50))


def test_turned_images_turn_to_the_left_after_the_mirror():
    """The poses' definition in `sgseg_dicom.model.image_check`."""
    image = np.array([[1, 2], [3, 4]], np.uint8)

    assert turned(image, 1, mirrored=False).tolist() == [[2, 4], [1, 3]]
    assert turned(image, 1, mirrored=True).tolist() == [[1, 3], [2, 4]]


def test_drawn_images_use_the_whole_range_and_come_from_the_seed_alone():
    """A picture that is flat would be blank, not another kind of picture."""
    once, again = (draw(LEARNED | HELD_OUT, 2, np.random.default_rng(5)) for _ in range(2))

    for kind, images in once.items():
        np.testing.assert_array_equal(images, again[kind])
        assert all(np.ptp(image) > 200 for image in images), kind


def test_pictures_are_read_squeezed_and_other_files_passed_over(tmp_path):
    """A folder of somebody's pictures has other files too."""
    Image.fromarray(np.arange(60 * 90 * 3, dtype=np.uint32).reshape(60, 90, 3).astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    (tmp_path / "notes.txt").write_text("none")

    pictures = load_pictures([tmp_path])

    assert pictures.shape == (1, 224, 224)
    assert np.ptp(pictures[0]) > 100


def test_a_folder_without_pictures_is_named(tmp_path):
    """The message tells where nothing was found."""
    with pytest.raises(DataError, match=str(tmp_path)):
        load_pictures([tmp_path])


def test_a_fit_of_two_steps_changes_every_layer_and_stays_finite():
    """Every part of the network is reached by the loss."""
    images = draw({"clouds": LEARNED["clouds"]}, 140, np.random.default_rng(6))["clouds"]

    first, second = (fit_image_check(images, images[:3], Schedule(epochs=epochs)) for epochs in (0.9, 2))

    for (name, one), two in zip(first.named_parameters(), second.parameters(), strict=True):
        assert two.isfinite().all(), name
        assert not one.equal(two), name
