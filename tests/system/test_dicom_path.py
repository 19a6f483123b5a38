"""Real images through the whole of DICOM, and back: the Dice of `sgseg-train evaluate`, not another one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from sgseg_dicom.model.image_check import load_image_check
from sgseg_dicom.pipeline import Pipeline
from sgseg_dicom.records import Orientation, Prediction
from sgseg_dicom.zones import ZoneBits
from tests.support.builders import LOSSLESS_SYNTAXES, write
from tests.support.data_folder import DATA, needs_data
from tests.support.networks import one_pass_network, segmenter_of
from tests.support.predictions import ORIENTATIONS, pipeline_of, stored_as
from training.data import Item, load_image, read_split
from training.evaluation.evaluate import count, predict
from training.evaluation.metrics import mask_metrics, zone_metrics

pytestmark = [pytest.mark.system, needs_data]

IMAGES = 50
TOLERANCE = 0.005
DEPTHS = {8: (np.uint8, 1), 12: (np.uint16, 16), 16: (np.uint16, 257)}
"""Stored bits: the type, and what one grey level becomes."""


@dataclass(frozen=True)
class ReadBack:
    """What the results of one image say, in the standard display: a prediction as far as counting asks."""

    mask: NDArray[np.bool_]
    zones: ZoneBits


@pytest.fixture(scope="module")
def items() -> list[Item]:
    """Valid images from the whole of the split."""
    valid = read_split(DATA / "QaTa", "valid")
    return valid[:: len(valid) // IMAGES][:IMAGES]


@pytest.fixture(scope="module")
def plain(items: list[Item]) -> list[Prediction]:
    """What `sgseg-train evaluate` says of them, by weights that see an image once."""
    return predict(one_pass_network(), items)


@pytest.fixture(scope="module")
def dicom(items: list[Item], tmp_path_factory: pytest.TempPathFactory) -> list[ReadBack]:
    """What the DICOM results say of them, by the same weights."""
    with segmenter_of(one_pass_network()) as segmenter:
        pipeline = pipeline_of(segmenter, image_check=load_image_check())
        return through_dicom(items, pipeline, tmp_path_factory.mktemp("dicom"))


def through_dicom(items: Sequence[Item], pipeline: Pipeline, folder: Path) -> list[ReadBack]:
    """Write each image in another way, process the file, write its SEG and read that."""
    read_back = []
    for number, item in enumerate(items):
        orientation = ORIENTATIONS[number % len(ORIENTATIONS)]
        source = as_dicom(load_image(item), orientation, number)
        syntax = LOSSLESS_SYNTAXES[number % len(LOSSLESS_SYNTAXES)]
        file = write(source, folder / f"{item.name}.dcm", syntax)
        results = pipeline(file)
        mask = np.zeros((source.Rows, source.Columns), dtype=np.bool_)
        if results.seg is not None:
            results.seg.save_as(folder / "seg.dcm")
            mask = mask_of(folder / "seg.dcm")
        read_back.append(ReadBack(orientation.to_display(mask), results.finding.zones))
    return read_back


def as_dicom(png: NDArray[np.uint8], orientation: Orientation, number: int) -> Dataset:
    """Build the DX whose standard display is *png*: 8, 12 or 16 bits, of either polarity in turn."""
    bits = list(DEPTHS)[number % len(DEPTHS)]
    polarity = 1 + number // len(ORIENTATIONS) % 2
    kind, step = DEPTHS[bits]
    level = 255 - png if polarity == 1 else png
    return stored_as(
        orientation,
        level.astype(kind) * kind(step),
        seed=number,
        BitsStored=bits,
        PhotometricInterpretation=f"MONOCHROME{polarity}",
        WindowCenter=2 ** (bits - 1),
        WindowWidth=2**bits,
    )


def mask_of(file: Path) -> NDArray[np.bool_]:
    """Read the mask of all segments, on the stored grid."""
    seg = highdicom.seg.segread(file)
    sources = [instance for *_, instance in seg.get_source_image_uids()]
    return seg.get_pixels_by_source_instance(sources)[0].any(axis=-1)


@pytest.mark.parametrize("figure", ["dice_micro", "dice_mean", "zone_accuracy"])
def test_the_way_through_dicom_costs_no_accuracy(items, plain, dicom, figure):
    """
    Whatever the polarity, depth, orientation and transfer syntax: the figure is that of the evaluation.
    """
    expected, found = (
        mask_metrics(counts) | zone_metrics(counts) for counts in (count(items, plain), count(items, dicom))
    )

    assert found[figure] == pytest.approx(expected[figure], abs=TOLERANCE)


def test_the_masks_are_those_of_the_evaluation(plain, dicom):
    """
    Image by image: of no mask do more pixels differ than rounding explains, however bad the weights are.
    """
    differing = [(one.mask != other.mask).mean() for one, other in zip(plain, dicom, strict=True)]

    assert max(differing) < TOLERANCE
