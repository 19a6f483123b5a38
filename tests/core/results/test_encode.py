"""Which forms are made for whom: each once, each its own instance, a report with the SEG of its own form."""

import numpy as np
import pytest
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.result_kinds import Kind, Wanted
from sgseg_dicom.results.encode import encode_results
from tests.support.builders import synthetic_chest
from tests.support.predictions import ALGORITHM, MADE_AT, both_lungs, prediction, read_built

ODD = {"pixels": synthetic_chest((64, 75))}
EVEN = {"pixels": synthetic_chest((64, 72))}
SEG_AND_SR = (Kind.SEG, Kind.SR)


def encoded(*wanted, predicted=None, **keywords):
    """Encode what destinations want; give the objects, and the names for each destination in this order."""
    radiograph = read_built(**(keywords or EVEN))
    finding = measure(predicted or both_lungs(), radiograph)
    by_destination = {f"destination {number}": one for number, one in enumerate(wanted)}
    files, names = encode_results(radiograph, finding, by_destination, algorithm=ALGORITHM, made_at=MADE_AT)
    assert list(names) == list(by_destination)
    return files, tuple(names.values())


def referenced(report):
    """Give the SOP Instance UIDs of all that a report lists as evidence, its image left out."""
    return {
        sop.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for sop in series.ReferencedSOPSequence
        if sop.ReferencedSOPClassUID.endswith(".66.4")
    }


def content(report):
    """Give the report's tree without what names instances and trackings."""

    def said(item):
        uids = ("ReferencedSOPSequence", "UID")
        own = {e.keyword: str(e.value) for e in item if e.keyword not in (*uids, "ContentSequence")}
        return own, [said(child) for child in item.get("ContentSequence") or []]

    return [said(item) for item in report.ContentSequence]


@pytest.mark.parametrize(
    ("keywords", "segmentation", "name", "kind"),
    [
        (EVEN, "auto", "seg.dcm", "BINARY"),
        (ODD, "auto", "seg-fractional.dcm", "FRACTIONAL"),
        (ODD, "binary", "seg.dcm", "BINARY"),
        (EVEN, "fractional", "seg-fractional.dcm", "FRACTIONAL"),
        (EVEN, "labelmap", "seg-labelmap.dcm", "LABELMAP"),
        (ODD, "labelmap", "seg-labelmap.dcm", "LABELMAP"),
    ],
)
def test_the_form_of_the_seg_is_chosen_by_the_columns_unless_told(keywords, segmentation, name, kind):
    """
    BINARY, FRACTIONAL where Columns are no multiple of 8, and whatever the destination says.
    """
    files, (names,) = encoded(Wanted(results=(Kind.SEG,), segmentation=segmentation), **keywords)

    assert names == (name,)
    assert files[name].SegmentationType == kind


def test_a_fractional_seg_has_the_same_mask_as_0_and_255():
    """
    Whichever form a reader gets, it gets the same pixels.
    """
    files, _ = encoded(*(Wanted(results=(Kind.SEG,), segmentation=form) for form in ("binary", "fractional")))

    fractional = files["seg-fractional.dcm"].pixel_array
    assert set(np.unique(fractional)) == {0, 255}
    np.testing.assert_array_equal(files["seg.dcm"].pixel_array, fractional // 255)


@pytest.mark.parametrize("source", [EVEN, ODD], ids=["even", "odd"])
def test_a_label_map_has_the_number_of_its_segment_at_every_pixel(source):
    """
    One frame, a SOP class of its own, the same masks; 0 is no segment, and no segment describes it.
    """
    forms = (Wanted(results=(Kind.SEG,), segmentation=form) for form in ("binary", "labelmap"))
    files, _ = encoded(*forms, **source)
    binary, labels = files["seg.dcm"], files["seg-labelmap.dcm"]

    assert labels.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"
    assert (labels.NumberOfFrames, labels.PixelPaddingValue) == (1, 0)
    assert [segment.SegmentNumber for segment in labels.SegmentSequence] == [1, 2]
    right, left = binary.pixel_array
    np.testing.assert_array_equal(labels.pixel_array, right + 2 * left)


def test_what_everybody_gets_is_seg_sr_and_text_in_this_order():
    """
    The SEG before what references it.
    """
    files, (names,) = encoded(Wanted())

    assert names == tuple(files) == ("seg.dcm", "sr.dcm", "text.dcm")


def test_forms_that_several_want_are_made_once():
    """
    Five destinations, and each object is there once, under its own UID and in its own series.
    """
    files, names = encoded(
        Wanted(),
        Wanted(),
        Wanted(segmentation="fractional", sr_class="comprehensive"),
        Wanted(results=(Kind.TEXT, Kind.SR)),
        Wanted(results=(Kind.STATE, Kind.CAPTURE, Kind.SEG)),
    )

    assert names == (
        ("seg.dcm", "sr.dcm", "text.dcm"),
        ("seg.dcm", "sr.dcm", "text.dcm"),
        ("seg-fractional.dcm", "sr-comprehensive-fractional.dcm", "text-fractional.dcm"),
        ("sr-without-seg.dcm", "text-without-seg.dcm"),
        ("seg.dcm", "secondary-capture.dcm", "presentation-state.dcm"),
    )
    assert set(files) == {name for one in names for name in one}
    assert len({ds.SOPInstanceUID for ds in files.values()}) == len(files)
    assert len({ds.SeriesInstanceUID for ds in files.values()}) == len(files)


def test_a_report_references_the_seg_of_its_destination():
    """
    In the form that the destination gets; one that gets no SEG has a report without.
    """
    files, _ = encoded(Wanted(), Wanted(segmentation="fractional"), Wanted(results=(Kind.SR, Kind.TEXT)))

    for kind in ("sr", "text"):
        assert referenced(files[f"{kind}.dcm"]) == {files["seg.dcm"].SOPInstanceUID}
        fractional = files["seg-fractional.dcm"].SOPInstanceUID
        assert referenced(files[f"{kind}-fractional.dcm"]) == {fractional}
        assert referenced(files[f"{kind}-without-seg.dcm"]) == set()


def test_nothing_found_is_the_same_report_for_all():
    """
    There is no SEG to reference, so its form makes no other report.
    """
    files, names = encoded(
        Wanted(),
        Wanted(segmentation="fractional", sr_without_regions=True),
        Wanted(results=(Kind.SR,)),
        predicted=prediction(zones=[]),
    )

    assert set(files) == {"sr.dcm", "text.dcm"}
    assert names == (("text.dcm",), ("sr.dcm", "text.dcm"), ("sr.dcm",))


@pytest.mark.parametrize("zones", [[], ["left lower"]])
def test_no_object_is_sent_that_has_nothing_to_show(zones):
    """
    Without a marked region there is no mask and there are no outlines. OHIF shows a coded report without outlines as
    a black viewport: it is left out for who gets the report in words.
    """
    _, (names,) = encoded(Wanted(results=tuple(Kind)), predicted=prediction(zones=zones))

    assert names == ("text.dcm", "secondary-capture.dcm")


@pytest.mark.parametrize("results", [(Kind.SR,), (Kind.SEG, Kind.SR)])
def test_an_image_without_a_finding_has_its_answer_where_no_text_is_wanted(results):
    """
    Silence would not tell "nothing found" from "not judged": the coded report goes out then.
    """
    _, (names,) = encoded(Wanted(results=results), predicted=prediction(zones=[]))

    assert names == ("sr.dcm",)


def test_a_comprehensive_sr_says_what_the_3d_one_says():
    """
    Another SOP class, the same tree.
    """
    files, _ = encoded(Wanted(results=SEG_AND_SR), Wanted(results=SEG_AND_SR, sr_class="comprehensive"))

    usual, plain = files["sr.dcm"], files["sr-comprehensive.dcm"]
    assert (usual.SOPClassUID, plain.SOPClassUID) == (Comprehensive3DSRStorage, ComprehensiveSRStorage)
    assert content(usual) == content(plain)


@pytest.mark.parametrize("sr_class", ["comprehensive-3d", "comprehensive"])
@pytest.mark.parametrize("segmentation", ["binary", "labelmap"])
def test_a_destination_is_offered_the_classes_of_what_is_made(sr_class, segmentation):
    """
    `sgseg-node echo` asks for these; one of each kind, as the encoders have them.
    """
    every = Wanted(results=tuple(Kind), sr_class=sr_class, segmentation=segmentation)

    files, _ = encoded(every)

    assert {ds.SOPClassUID for ds in files.values()} == set(every.sop_classes)
