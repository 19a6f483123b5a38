"""OHIF over Orthanc in Chromium: what a reader sees of the results, and after how many clicks."""

import numpy as np
import pytest
from highdicom.sr import Comprehensive3DSR, ImageRegion
from pydicom.uid import BasicTextSRStorage

from sgseg_dicom.results.codes import AREA
from sgseg_dicom.results.overlay import LUNG_COLOURS
from tests.viewers.browser import needs_viewers
from tests.viewers.colours import grown, painted
from tests.viewers.ohif import Ohif, Overlay
from tests.viewers.studies import HEALTHY, LABEL_MAP, LATERAL, SOURCES, TWO_FILMS, WITH_FINDING, Study

pytestmark = [pytest.mark.system, needs_viewers]


@pytest.fixture(scope="module", params=[*SOURCES, LABEL_MAP])
def opened(request: pytest.FixtureRequest, ohif: Ohif, studies: dict[str, Study]) -> tuple[Study, Overlay]:
    """Each study, after its SEG was opened."""
    study = studies[request.param]
    ohif.open(study.seg)
    return study, ohif.overlay()


def test_the_viewers_mask_is_the_written_one_pixel_for_pixel(opened):
    """
    CR and DX, MONOCHROME1 and 2, rows that end at a byte and others, no spacing, and a label map.
    """
    study, overlay = opened

    np.testing.assert_array_equal(overlay.labels, study.labels)


def test_each_region_is_on_the_screen_in_its_lungs_colour(opened):
    """
    Every pixel of a region is drawn in the colour that the SEG recommends for that lung, and none beyond the
    next one: the viewer's outline is as wide as a pixel of the image.
    """
    study, overlay = opened

    for region in study.finding.regions:
        drawn = painted(overlay.colours, LUNG_COLOURS[region.laterality])

        assert drawn[region.mask].all()
        assert not drawn[~grown(region.mask)].any()


def test_each_segment_is_named_by_the_patients_side(opened):
    """
    What the viewer's list of segments says.
    """
    _, overlay = opened

    assert overlay.names == {1: "Infected region, right lung", 2: "Infected region, left lung"}


@pytest.mark.parametrize("source", ["CR MONOCHROME1 odd", WITH_FINDING])
def test_the_coded_report_draws_the_outline_of_each_region(source, ohif, studies):
    """
    TID 1500: a polyline a region, where the report says, tracked as in the SEG, with its area and its lung beside it.
    """
    study = studies[source]
    outlined = {
        group.tracking_uid: group
        for group in Comprehensive3DSR.from_dataset(study.report).content.get_planar_roi_measurement_groups()
        if isinstance(group.roi, ImageRegion)
    }

    ohif.open(study.report)
    shown, values, words = ohif.outlines(len(outlined))

    assert shown.keys() == outlined.keys() == {segment.TrackingUID for segment in study.seg.SegmentSequence}
    for uid, group in outlined.items():
        np.testing.assert_allclose(shown[uid], group.roi.value, atol=0.01)
        assert f"Area: {group.get_measurements(AREA)[0].value:.2f} mm2" in words
        lung = f"{group.finding_sites[0].laterality.meaning} lung"
        assert lung in values[uid]
        assert any(word.endswith(f": {lung}") for word in words)


def test_a_stock_viewer_opens_the_film_and_draws_the_mask_after_one_double_click(ohif, studies):
    """
    Without our settings: the address names the study alone, and OHIF asks. The mask is there before the answer.
    """
    study = studies[WITH_FINDING]

    ohif.open_study(study.seg.StudyInstanceUID)
    ohif.wait_for_text(study.seg.SeriesDescription)
    assert not ohif.is_overlaid()
    ohif.double_click(study.seg.SeriesDescription)

    np.testing.assert_array_equal(ohif.overlay().labels, study.labels)
    assert "Do you want to open this Segmentation?" in ohif.text()


def test_the_list_of_series_tells_the_results_of_two_films_apart(ohif, studies):
    """
    Each result has a number and a description of its own in the study, and names its film.
    """
    results = [result for name in TWO_FILMS for result in studies[name].results.values()]

    ohif.open_study(results[0].StudyInstanceUID)
    for result in results:
        ohif.wait_for_text(f"{result.SeriesDescription} S:{result.SeriesNumber}")

    assert len({result.SeriesNumber for result in results}) == len(results)
    assert len({result.SeriesDescription for result in results}) == len(results)


def test_nothing_that_a_film_without_a_finding_gives_opens_black(studies):
    """
    OHIF shows a coded report without outlines as a black viewport: the report in words is all there is.
    """
    assert list(studies[HEALTHY].results) == [BasicTextSRStorage]


@pytest.mark.parametrize("source", [WITH_FINDING, HEALTHY, LATERAL])
def test_the_report_in_words_can_be_read(source, ohif, studies):
    """
    TID 2000, for an image with a finding, without one, and for one that was not judged: every text of it.
    """
    report = studies[source].text
    written = [" ".join(item.value.split()) for item in report.iterall() if item.keyword == "TextValue"]

    ohif.open(report)
    ohif.wait_for_text(written[0])
    shown = ohif.text()

    assert [text for text in written if text not in shown] == []
    if source == WITH_FINDING:
        assert studies[source].finding.sentence in shown
