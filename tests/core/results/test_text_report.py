"""The report in words: what it says, in what order, and that it is the same as the codes say."""

import pytest
from pydicom.uid import BasicTextSRStorage

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import ENGLISH, load_language
from sgseg_dicom.results.seg import encode_seg
from sgseg_dicom.results.text_report import encode_text
from sgseg_dicom.zones import ZONES
from tests.support.predictions import (
    ALGORITHM,
    IMAGE_LEFT,
    IMAGE_RIGHT,
    MADE_AT,
    both_lungs,
    prediction,
    read_built,
    spot,
    with_lungs,
)

MADE = {"algorithm": ALGORITHM, "made_at": MADE_AT}


def encoded(radiograph, predicted=None, **options):
    finding = measure(predicted or both_lungs(), radiograph)
    seg = encode_seg(radiograph, finding, **MADE)
    return finding, seg, encode_text(radiograph, finding, seg, **MADE, **options)


def sections(report):
    """Give the texts of each section, by its heading, in order."""
    return {
        section.ConceptNameCodeSequence[0].CodeMeaning: [
            item.TextValue for item in section.ContentSequence if item.ValueType == "TEXT"
        ]
        for section in report.ContentSequence
        if section.ValueType == "CONTAINER"
    }


def test_it_is_a_draft_in_every_flag():
    """
    Basic Text SR, TID 2000, PARTIAL, UNVERIFIED, PRELIMINARY.
    """
    _, _, report = encoded(read_built())

    assert report.SOPClassUID == report.file_meta.MediaStorageSOPClassUID == BasicTextSRStorage
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "2000"
    assert (report.CompletionFlag, report.VerificationFlag) == ("PARTIAL", "UNVERIFIED")
    assert report.PreliminaryFlag == "PRELIMINARY"
    assert report.SeriesDescription.startswith("AI draft: ")


def test_it_begins_with_the_sentence_and_ends_with_the_warning_and_the_device():
    """
    The summary is the sentence. What made it, and what it is not for, stands below: viewers show a tree from the top.
    """
    finding, _, report = encoded(read_built())

    said = sections(report)
    assert list(said) == ["Summary", "Findings", "Current Procedure Descriptions", "Key Images"]
    assert said["Summary"] == [finding.sentence]
    assert said["Current Procedure Descriptions"][-1] == ENGLISH.warning(ALGORITHM)
    order = [item.RelationshipType for item in report.ContentSequence]
    assert order == ["HAS CONCEPT MOD", *["CONTAINS"] * 4, *["HAS OBS CONTEXT"] * (len(order) - 5)]


@pytest.mark.parametrize("name", ["en", "de", "es"])
def test_the_right_lung_is_named_before_the_left_one(name):
    """
    In the sentence, the zones and the sizes of every language: readers go from the patient's right to the left.
    """
    language = load_language(name)
    _, _, report = encoded(read_built(), with_lungs(both_lungs()), language=language)
    right, left = (side.mark for side in (language._grammar.right, language._grammar.left))

    said = sections(report)
    sentence = said["Summary"][0].casefold()
    sides = ["right" if right in text.casefold() else "left" for text in said["Findings"][: len(ZONES)]]
    assert sentence.index(right) < sentence.index(left)
    assert sides == ["right"] * 3 + ["left"] * 3


def test_it_says_every_zone_and_the_size_of_every_region():
    """
    Present or absent for each of the six, with its side; the share of the image where no lung was found, and no area.
    """
    radiograph = read_built()
    finding, _, report = encoded(radiograph)

    said = sections(report)["Findings"]
    named = dict(zip(ZONES, finding.zones, strict=True))
    for zone in ZONES:
        assert ENGLISH.zone_statement(zone, "present" if named[zone] else "absent") in said
    assert [text for text in said if "% of the image's area" in text] == ENGLISH.lung_extents(finding)
    assert not any("mm2" in text for text in said)


def test_where_mask_and_sentence_disagree_it_says_so_plainly():
    """
    Right after the sentence, and the zones of that lung alone are undetermined.
    """
    marked = prediction(spot(*IMAGE_LEFT), spot(*IMAGE_RIGHT), zones=["right middle"])
    _, _, report = encoded(read_built(), marked)

    assert "disagree about the left lung" in sections(report)["Summary"][1]
    said = sections(report)["Findings"]
    undetermined = [text for text in said if text.endswith("undetermined")]
    assert len(undetermined) == 3
    assert all(text.startswith("Left") for text in undetermined)


def test_a_zone_that_the_region_reaches_is_not_said_to_be_free():
    """
    The sentence leaves the upper zone out, the region lies there: undetermined, and said so after the sentence.
    """
    _, _, report = encoded(read_built(), prediction(spot(40, 60, radius=24), zones=["right middle"]))

    said, doubt = sections(report)["Findings"], sections(report)["Summary"][1]
    assert "reaches zones that the location sentence does not name" in doubt
    assert "right lung" in doubt
    assert "Right upper zone: undetermined" in said
    assert "Right middle zone: signs of infection" in said
    assert "Right lower zone: no signs of infection" in said


def test_nothing_found_is_said_and_what_was_looked_for():
    """
    No region, no size; and that nothing else was judged, nor called normal.
    """
    _, seg, report = encoded(read_built(), prediction(zones=[]))

    said = sections(report)
    assert seg is None
    assert said["Summary"] == ["No signs of infection found; nothing else was judged."]
    assert len(said["Findings"]) == len(ZONES)
    assert ENGLISH.limits in said["Current Procedure Descriptions"]


def test_it_tells_that_sides_were_assumed():
    """
    An image without Patient Orientation.
    """
    _, _, report = encoded(read_built(PatientOrientation=None))

    assert any("not stated" in text for text in sections(report)["Current Procedure Descriptions"])


def test_its_evidence_is_the_image_and_the_seg():
    """
    What the content references is listed for the archive to find (PS3.3 C.17.2).
    """
    radiograph = read_built()
    _, seg, report = encoded(radiograph)

    found = (item.get("ContentSequence") or [] for item in report.ContentSequence)
    images = [item for items in found for item in items if item.ValueType == "IMAGE"]
    referenced = [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in images]
    listed = {
        sop.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for sop in series.ReferencedSOPSequence
    }
    assert referenced == [radiograph.sop_instance_uid, seg.SOPInstanceUID]
    assert listed == set(referenced)


@pytest.mark.parametrize("name", ["de", "es"])
def test_it_is_in_the_language_asked_for(name):
    """
    Sentence, zones and warning, and the report says which language it is; it is an instance of its own.
    """
    language = load_language(name)
    finding, _, report = encoded(read_built(), language=language)
    _, _, english = encoded(read_built())

    said = sections(report)
    assert said["Summary"] == [language.sentence(finding.zones)]
    assert language.warning(ALGORITHM) in said["Current Procedure Descriptions"]
    assert report.ContentSequence[0].ConceptCodeSequence[0].CodeValue == name
    assert report.SOPInstanceUID != english.SOPInstanceUID
