"""Whose film it is, and when it was taken: what is missing or doubtful ends the comparison."""

import pytest
from pydicom import Dataset

from sgseg_dicom.comparison.films import Moment
from sgseg_dicom.comparison.header import film_of, moment_of, patient_of
from tests.support.predictions import ALGORITHM, read_built

KNOWN = {"PatientID": "A-17", "PatientBirthDate": "19600401", "PatientSex": "F"}
TAKEN = Moment("20240502", "101500")


def header(**keywords):
    ds = Dataset()
    for keyword, value in {**KNOWN, **keywords}.items():
        setattr(ds, keyword, value)
    return ds


def test_the_same_patient_is_the_same_whatever_the_name():
    """A name changes, and is written in many ways; identifier, issuer, birth date and sex stay."""
    one = patient_of(header(PatientName="Doe^Jane"), TAKEN)

    assert one == patient_of(header(PatientName="Miller^Jane"), TAKEN)
    assert one is not None


@pytest.mark.parametrize(
    "other",
    [
        {"PatientID": "A-18"},
        {"PatientBirthDate": "19600402"},
        {"PatientSex": "M"},
        {"IssuerOfPatientID": "OTHER HOSPITAL"},
    ],
)
def test_another_patient_is_another_one(other):
    """One difference is enough, though all else is equal."""
    assert patient_of(header(**other), TAKEN) != patient_of(header(), TAKEN)


@pytest.mark.parametrize(
    "doubtful",
    [
        {"PatientID": ""},
        {"PatientID": "  "},
        {"PatientID": "UNKNOWN"},
        {"PatientID": "0000"},
        {"PatientBirthDate": ""},
        {"PatientBirthDate": "1960"},
        {"PatientBirthDate": "19600231"},
        {"PatientBirthDate": "19000101"},
        {"PatientBirthDate": "20240503"},
        {"PatientSex": ""},
        {"PatientSex": "U"},
    ],
)
def test_who_is_not_surely_told_from_all_others_is_nobody(doubtful):
    """Two films of nobody are never those of one patient."""
    assert patient_of(header(**doubtful), TAKEN) is None


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"AcquisitionDateTime": "20240301081530.25+0100", "StudyDate": "20240229"}, ("20240301", "081530")),
        (
            {"AcquisitionDate": "20240301", "AcquisitionTime": "0815", "StudyDate": "20240229"},
            ("20240301", "081500"),
        ),
        ({"AcquisitionDate": "20241301", "StudyDate": "20240229", "StudyTime": "12"}, ("20240229", "120000")),
        ({"StudyDate": "20240229"}, ("20240229", "")),
        ({"StudyTime": "12"}, None),
    ],
)
def test_a_film_was_taken_when_the_nearest_date_says(stated, expected):
    """Acquisition before content before study; a time never stands with another attribute's date."""
    ds = Dataset()
    for keyword, value in stated.items():
        setattr(ds, keyword, value)

    assert moment_of(ds) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("20240301", ""), ("20240302", ""), True),
        (("20240302", "080000"), ("20240302", "080001"), True),
        (("20240302", ""), ("20240302", "080001"), False),
        (("20240302", "080001"), ("20240302", "080001"), False),
        (("20240303", "080000"), ("20240302", "090000"), False),
    ],
)
def test_earlier_is_what_is_surely_earlier(one, other, expected):
    """Of one day without a time, nobody knows."""
    assert Moment(*one).is_before(Moment(*other)) is expected


def test_an_image_that_states_nothing_of_its_sides_is_compared_with_none():
    """Its right lung may be another film's left one."""
    stated = {**KNOWN, "StudyDate": "20240502"}
    silent = dict.fromkeys(("PatientOrientation", "ViewPosition", "ImageLaterality", "ViewCodeSequence"))

    assert film_of(read_built(**stated), ALGORITHM) is not None
    assert film_of(read_built(kind="CR", **stated, **silent), ALGORITHM) is None


def test_no_patients_data_stand_in_what_a_log_would_show():
    """A record that is printed by mistake tells nobody who it is."""
    film = film_of(read_built(**KNOWN, StudyDate="20240502"), ALGORITHM)

    assert film is not None
    assert not any(value in repr(film) + repr(film.patient) for value in ("A-17", "19600401"))
