"""OHIF over Orthanc in Chromium: what a reader sees of SEG and SR without a click."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from highdicom.sr import Comprehensive3DSR, ImageRegion
from numpy.typing import NDArray

from sgseg_dicom.encode.codes import AREA
from sgseg_dicom.overlay import LUNG_COLOURS
from tests.viewers.browser import needs_viewers
from tests.viewers.colours import grown, painted
from tests.viewers.ohif import Ohif
from tests.viewers.studies import SOURCES, Study

pytestmark = [pytest.mark.system, needs_viewers]

DOCUMENTED = "DX MONOCHROME2 even"
"""The study whose pictures are in docs."""


@dataclass(frozen=True)
class Overlaid:
    """
    A study after its SEG was opened.

    Attributes:
        study: what the archive has.
        labels: the viewer's label of every pixel (Rows, Columns).
        names: of the segments, by number.
        colours: on the screen at every pixel (Rows, Columns, 3).
    """

    study: Study
    labels: NDArray[np.uint8]
    names: dict[int, str]
    colours: NDArray[np.uint8]


@pytest.fixture(scope="module", params=SOURCES)
def overlaid(
    request: pytest.FixtureRequest, ohif: Ohif, studies: dict[str, Study], picture: Callable[[str], None]
) -> Overlaid:
    """Open the SEG of each study."""
    study = studies[request.param]
    ohif.open(study.seg)
    ohif.wait_for_overlay()
    if request.param == DOCUMENTED:
        picture("ohif-seg.png")
    labels, names = ohif.segments()
    return Overlaid(study, labels, names, ohif.colours(study.labels.shape))


def test_the_viewers_mask_is_the_written_one_pixel_for_pixel(overlaid):
    """
    CR and DX, MONOCHROME1 and 2, rows that end at a byte and others, and no spacing.
    """
    np.testing.assert_array_equal(overlaid.labels, overlaid.study.labels)


def test_each_region_is_on_the_screen_in_its_lungs_colour(overlaid):
    """
    Every pixel of a region is drawn in the colour that the SEG recommends for that lung, and none beyond the
    next one: the viewer's outline is as wide as a pixel of the image.
    """
    for region in overlaid.study.finding.regions:
        drawn = painted(overlaid.colours, LUNG_COLOURS[region.laterality])

        assert drawn[region.mask].all()
        assert not drawn[~grown(region.mask)].any()


def test_each_segment_is_named_by_the_patients_side(overlaid):
    """
    What the viewer's list of segments says.
    """
    assert overlaid.names == {1: "Infected region, right lung", 2: "Infected region, left lung"}


@pytest.mark.parametrize("source", ["CR MONOCHROME1 odd", DOCUMENTED])
def test_the_coded_report_draws_the_outline_of_each_region(source, ohif, studies, picture):
    """
    TID 1500: a polyline a region, where the report says, tracked as in the SEG, with its area beside it.
    """
    study = studies[source]
    outlined = {
        group.tracking_uid: group
        for group in Comprehensive3DSR.from_dataset(study.report).content.get_planar_roi_measurement_groups()
        if isinstance(group.roi, ImageRegion)
    }

    ohif.open(study.report)
    ohif.wait_for_outlines(len(outlined))
    shown = ohif.outlines()

    assert shown.keys() == outlined.keys() == {segment.TrackingUID for segment in study.seg.SegmentSequence}
    for uid, group in outlined.items():
        np.testing.assert_allclose(shown[uid], group.roi.value, atol=0.01)
        assert f"Area: {group.get_measurements(AREA)[0].value:.2f} mm2" in ohif.captions()
    if source == DOCUMENTED:
        picture("ohif-sr.png")


def test_the_report_in_words_can_be_read(ohif, studies, picture):
    """
    TID 2000: the sentence, and every other text of the report, the warning among them.
    """
    study = studies[DOCUMENTED]
    written = [str(item.value) for item in study.text.iterall() if item.keyword == "TextValue"]

    ohif.open(study.text)
    ohif.wait_for_text(study.finding.sentence)
    shown = ohif.text()

    assert study.finding.sentence in written
    assert [text for text in written if " ".join(text.split()) not in shown] == []
    picture("ohif-text.png")
