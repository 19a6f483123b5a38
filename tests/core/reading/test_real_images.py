"""Real images: pydicom's chest film, and the training images sent through DICOM."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import JPEG2000Lossless

from sgseg_dicom.applicability.header_rules import require_applicable
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.preprocess import normalise, preprocess
from sgseg_dicom.reading.read import read
from tests.support.builders import radiograph_of, write

DATA = Path(os.environ.get("SGSEG_DATA", Path(__file__).parents[4] / "shared" / "data"))
VALID = DATA / "QaTa" / "images" / "valid" / "images"
needs_data = pytest.mark.skipif(not VALID.is_dir(), reason=f"no QaTa images in {DATA}; set SGSEG_DATA")


def example(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"pydicom-data does not have {name}")
    return Path(path)


def test_the_chest_film_of_pydicom_reads_as_a_reader_would_see_it() -> None:
    """CR, PA, MONOCHROME1, 15 bits, zero spacing: mediastinum bright, lungs dark, spacing unknown."""
    radiograph = read(example("RG1_UNCR.dcm"))

    assert radiograph.pixels.shape == (1955, 1841)
    assert radiograph.spacing_mm is None
    spine, lung = radiograph.pixels[1000:1100, 850:950], radiograph.pixels[500:600, 450:550]
    assert spine.mean() > lung.mean() + 0.2
    require_applicable(radiograph)


def test_the_chest_film_reads_the_same_from_jpeg_2000() -> None:
    """The reversibly compressed copy gives the same pixels."""
    plain, compressed = read(example("RG1_UNCR.dcm")), read(example("RG1_J2KR.dcm"))

    np.testing.assert_array_equal(plain.pixels, compressed.pixels)


def test_the_leg_of_pydicom_is_not_applicable() -> None:
    """An extremity is read, and then refused."""
    with pytest.raises(NotApplicable) as caught:
        require_applicable(read(example("RG3_UNCR.dcm")))
    assert caught.value.reason == "not-chest"


@needs_data
@pytest.mark.parametrize(
    "keywords",
    [
        {"WindowCenter": 128, "WindowWidth": 256},
        {"WindowCenter": None, "WindowWidth": None},
        {"PatientOrientation": None},
    ],
    ids=["window 0 to 255", "no window", "no orientation"],
)
def test_a_training_image_sent_as_dicom_is_what_training_saw(
    keywords: dict[str, object], tmp_path: Path
) -> None:
    """Dice through DICOM is Dice of the evaluation: the network's input is the same."""
    for name in sorted(os.listdir(VALID))[::300]:
        png = np.asarray(Image.open(VALID / name))
        path = write(radiograph_of(png, **keywords), tmp_path / "x.dcm", JPEG2000Lossless)

        through_dicom = preprocess(read(path)).pixels

        expected = normalise((png / 255).astype(np.float32))
        np.testing.assert_allclose(through_dicom, expected, atol=1e-4, err_msg=name)
