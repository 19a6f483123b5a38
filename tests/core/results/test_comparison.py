"""What results say of an earlier film of the same patient."""

import re

import pytest

from sgseg_dicom.check import violations
from sgseg_dicom.comparison.films import Moment
from sgseg_dicom.language.language import ENGLISH, load_language
from sgseg_dicom.zones import Laterality
from tests.core.results.test_measurement_report import items, walk
from tests.support.comparing import EARLIER, compared, compared_results
from tests.support.pixelmed_complaints import EXPLAINED
from tests.support.predictions import IMAGE_LEFT, prediction, spot
from tests.support.validators import dciodvfy, needs_pixelmed, pixelmed

RIGHT, LEFT = Laterality.RIGHT, Laterality.LEFT
BEFORE, DIFFERENCE, SOURCE = "share-before", "111049", "121112"
RIGHT_ALONE = prediction(spot(*IMAGE_LEFT), zones=["right middle"])


def named(report, name):
    return [item for item in walk(report) if item.ConceptNameCodeSequence[0].CodeValue == name]


def side(item):
    (site,) = items(item, "363698007")
    return items(site, "272741003")[0].ConceptCodeSequence[0].CodeMeaning


def test_it_says_the_date_both_numbers_and_the_change_of_each_lung():
    """In words that leave nothing to guess; what the limit is stands behind."""
    _, finding = compared({RIGHT: 0.02, LEFT: 0.5})

    said = ENGLISH.comparison(finding)

    assert said[0] == (
        "Right lung, compared with the image of 2024-03-01: 2.0 % of its area then, 11.3 % of its area now: more "
        "(limit: 1.7 percentage points)."
    )
    assert said[1].endswith("11.2 % of its area now: less (limit: 4.1 percentage points).")
    assert said[2].startswith("The limit says by how much two measurements of an unchanged lung may differ.")


def test_a_lung_that_was_free_is_given_no_number():
    """0 % would read as a judgement of the lung."""
    _, finding = compared({RIGHT: 0.0, LEFT: 0.2}, RIGHT_ALONE)

    right, left, _ = ENGLISH.comparison(finding)
    assert "nothing marked then, 11.3 % of its area now: more" in right
    assert "20.0 % of its area then, nothing marked now: less" in left


def test_of_one_day_it_says_the_time():
    """Two films of an intensive care unit have one date."""
    _, finding = compared({RIGHT: 0.5}, taken=Moment("20240502", "003000"))

    assert "compared with the image of 2024-05-02 00:30:" in ENGLISH.comparison(finding)[0]


@pytest.mark.parametrize("language", ["en", "de", "es"])
def test_the_words_stand_in_both_reports_and_every_form_is_valid(language):
    """In the reader's language; the check and dciodvfy find nothing."""
    radiograph, finding = compared({RIGHT: 0.02, LEFT: 0.5})
    made, header = compared_results(radiograph, finding, language)

    for name in ("sr.dcm", "text.dcm"):
        texts = [item.TextValue for item in walk(made[name]) if item.ValueType == "TEXT"]
        assert set(load_language(language).comparison(finding)) <= set(texts)
    assert violations(made, header, lung_centres=finding.lung_centres) == []


def test_the_earlier_share_is_coded_with_its_date_and_its_image(tmp_path):
    """The image is evidence of another study: a reader finds what is compared."""
    made, _ = compared_results(*compared({RIGHT: 0.02, LEFT: 0.5}))
    report = made["sr.dcm"]

    found = named(report, BEFORE)
    assert [side(item) for item in found] == ["Right", "Left"]
    assert [float(item.MeasuredValueSequence[0].NumericValue) for item in found] == [2.0, 50.0]
    assert [str(items(item, "126201")[0].Date).strip('"') for item in found] == ["20240301"] * 2
    sources = [items(item, SOURCE)[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in found]
    assert sources == [EARLIER.sop_instance_uid] * 2
    changes = [(side(item), item.ConceptCodeSequence[0].CodeMeaning) for item in named(report, DIFFERENCE)]
    assert changes == [("Right", "Increase in size"), ("Left", "Decrease in size")]
    (study,) = report.PertinentOtherEvidenceSequence
    assert study.StudyInstanceUID == EARLIER.study_uid
    report.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    assert dciodvfy(tmp_path / "sr.dcm") == []


@needs_pixelmed
def test_pixelmed_complains_of_nothing_that_is_not_explained(tmp_path):
    """As of the reports without a comparison."""
    made, _ = compared_results(*compared({RIGHT: 0.02, LEFT: 0.5}))
    made["sr.dcm"].save_as(tmp_path / "sr.dcm", enforce_file_format=True)

    said = pixelmed(tmp_path / "sr.dcm")
    assert [line for line in said if not any(re.search(known.pattern, line) for known in EXPLAINED)] == []


def test_what_of_a_lung_is_gone_stands_in_the_first_group_with_its_own_side():
    """A group without outlines would make a viewer show nothing; a whole image has its one group."""
    one, _ = compared_results(*compared({RIGHT: 0.02, LEFT: 0.5}, RIGHT_ALONE))
    none, _ = compared_results(*compared({RIGHT: 0.2, LEFT: 0.0}, prediction()))

    assert [side(item) for item in named(one["sr.dcm"], BEFORE)] == ["Right", "Left"]
    assert len({item.UID for item in named(one["sr.dcm"], "112040")}) == 1
    assert [side(item) for item in named(none["sr.dcm"], BEFORE)] == ["Right"]
    assert len(named(none["sr.dcm"], "125007")) == 1


def test_only_what_says_it_has_another_uid():
    """The promise of stable UIDs: the mask and the outlines do not know of the earlier film."""
    radiograph, finding = compared({RIGHT: 0.02})
    _, alone = compared({})
    made, plain = compared_results(radiograph, finding)[0], compared_results(radiograph, alone)[0]

    changed = {name for name in made if made[name].SOPInstanceUID != plain[name].SOPInstanceUID}
    assert alone.comparison is None
    assert changed == {"sr.dcm", "text.dcm", "secondary-capture.dcm"}
    again = compared_results(*compared({RIGHT: 0.02}))[0]
    assert [ds.SOPInstanceUID for ds in again.values()] == [ds.SOPInstanceUID for ds in made.values()]


def test_both_lungs_and_the_score_are_coded_with_unit_and_method():
    """Once each, in the first group, with both lungs as their site."""
    made, _ = compared_results(*compared({}))

    (both,), (score,) = named(made["sr.dcm"], "share-of-both"), named(made["sr.dcm"], "severity-score")
    units = [
        item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue for item in (both, score)
    ]
    assert units == ["%", "{score}"]
    assert [side(item) for item in (both, score)] == ["Bilateral"] * 2
    assert all(items(item, "370129005") for item in (both, score, *named(made["sr.dcm"], "share-of-lung")))
    assert float(score.MeasuredValueSequence[0].NumericValue) == 2
