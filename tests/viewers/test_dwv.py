"""dwv over Orthanc in Chromium: a second viewer, by other people, which knows BINARY only."""

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

from sgseg_dicom.results.overlay import LUNG_COLOURS
from tests.viewers.browser import needs_viewers
from tests.viewers.colours import painted
from tests.viewers.studies import EVEN

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.system, needs_viewers]


@pytest.mark.parametrize("source", EVEN)
def test_dwv_reads_and_draws_the_written_mask_pixel_for_pixel(source, page, origin, studies):
    """
    In its memory, and on the screen in the colour of each lung.
    """
    study = studies[source]
    shape = study.labels.shape

    page.goto(f"{origin}/dwv.html")
    page.wait_for_function("() => window.show")
    mask = page.evaluate("([image, seg]) => show(image, seg)", [wado(study.image), wado(study.seg)])

    assert (mask["rows"], mask["columns"], mask["slices"]) == (*shape, 1)
    np.testing.assert_array_equal(np.reshape(mask["labels"], shape), study.labels)
    colours = on_screen(page, shape)
    for region in study.finding.regions:
        np.testing.assert_array_equal(painted(colours, LUNG_COLOURS[region.laterality]), region.mask)


def wado(ds: Dataset) -> str:
    """Give the address of an instance (WADO-URI, PS3.18 9)."""
    return (
        f"/wado?requestType=WADO&studyUID={ds.StudyInstanceUID}&seriesUID={ds.SeriesInstanceUID}"
        f"&objectUID={ds.SOPInstanceUID}&contentType=application/dicom"
    )


def on_screen(page: "Page", shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Give the colour at the centre of every pixel of an image that fills the page from edge to edge."""
    picture = np.asarray(Image.open(BytesIO(page.screenshot())).convert("RGB"))
    scale = min(picture.shape[0] / shape[0], picture.shape[1] / shape[1])
    rows, columns = (
        ((np.arange(count) + 0.5) * scale + (extent - count * scale) / 2).astype(int)
        for count, extent in zip(shape, picture.shape, strict=False)
    )
    return picture[np.ix_(rows, columns)]
