"""What the attributes around the image say of its view and its part of the body, and which of them is believed."""

from pathlib import Path

import pytest
from pydicom import Dataset

from sgseg_dicom.applicability.header_rules import require_applicable
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.reading.read import read
from tests.support.builders import chest_radiograph, synthetic_chest, write

PIXELS = synthetic_chest((96, 80))
SILENT = {
    "ViewPosition": None,
    "ViewCodeSequence": None,
    "BodyPartExamined": None,
    "AnatomicRegionSequence": None,
    "SeriesDescription": None,
    "StudyDescription": None,
    "ProtocolName": None,
    "SpecificCharacterSet": "ISO_IR 192",
}


def reason(folder: Path, **attributes: object) -> str | None:
    """Give the reason for which an image that says no more than *attributes* is refused, None where it is not."""
    ds = chest_radiograph(pixels=PIXELS, **(SILENT | attributes))
    try:
        require_applicable(read(write(ds, folder / "x.dcm")))
    except NotApplicable as refusal:
        return refusal.reason
    return None


def code(value: str, meaning: str, scheme: str = "SCT", **more: list[Dataset]) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    for keyword, items in more.items():
        setattr(item, keyword, items)
    return item


def requested(**attributes: object) -> dict[str, list[Dataset]]:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return {"RequestAttributesSequence": [item]}


LYING = [code("102536004", "left lateral decubitus")]
IN_GREEK = [code("102535000", "δεξιά")]

PLACES = [
    "SeriesDescription",
    "ProtocolName",
    "AcquisitionDeviceProcessingDescription",
    "PerformedProcedureStepDescription",
    "StudyDescription",
    "RequestedProcedureDescription",
]


@pytest.mark.parametrize("keyword", PLACES)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CHEST LATERAL", "lateral-view"),
        ("CHEST (LAT DECUB ONLY)", "decubitus-view"),
        ("CHEST (BOTH OBLIQUES ONLY)", "oblique-view"),
        ("CHEST (PA AND LAT)", None),
        ("CHEST (PORTABLE AP)", None),
    ],
)
def test_a_view_is_read_wherever_it_is_written(
    keyword: str, text: str, expected: str | None, tmp_path: Path
) -> None:
    """Where View Position is absent, the step's, the study's and the order's descriptions tell."""
    assert reason(tmp_path, **{keyword: text}) == expected


@pytest.mark.parametrize(
    "attributes",
    [
        {"ProcedureCodeSequence": [code("36558-4", "Chest X-ray left lateral decubitus", "LN")]},
        {"PerformedProtocolCodeSequence": [code("1", "Thorax links lateral decubitus", "99X")]},
        {"RequestedProcedureCodeSequence": [code("1", "DECÚBITO LATERAL", "99X")]},
        requested(ScheduledProcedureStepDescription="Chest lat. decub."),
        requested(RequestedProcedureDescription="Thorax in Seitenlage"),
        {"PatientPosition": "HFDL"},
        {"PatientPosition": "HFDR", "ViewPosition": "AP"},
        {"PatientPosition": "FFDL", "ViewPosition": "PA"},
        {"ViewPosition": "AP", "ViewCodeSequence": [code("399348003", "AP", ViewModifierCodeSequence=LYING)]},
        {"ViewPosition": "AP", "ViewModifierCodeSequence": LYING},
        {
            "PatientOrientationCodeSequence": [
                code("1", "recumbent", PatientOrientationModifierCodeSequence=IN_GREEK)
            ]
        },
        {"ViewPosition": "AP", "PerformedProcedureStepDescription": "CHEST (LAT DECUB ONLY)"},
        {"SeriesDescription": "Chest AP Left Lat Decub"},
        {"SeriesDescription": "Tórax AP decúbito lateral"},
    ],
    ids=str,
)
def test_a_patient_who_lies_on_a_side_is_found(attributes: dict[str, object], tmp_path: Path) -> None:
    """View Position says AP of a decubitus view, and rightly so: the other attributes must be asked."""
    assert reason(tmp_path, **attributes) == "decubitus-view"


@pytest.mark.parametrize(
    "attributes",
    [
        {"ViewPosition": "AP", "PatientPosition": "HFS"},
        {"ViewPosition": "AP", "SeriesDescription": "Tórax AP en decúbito supino"},
        {"ViewPosition": "AP", "SeriesDescription": "Thorax décubitus dorsal"},
        {"PatientOrientationCodeSequence": [code("102538003", "recumbent")], "ViewPosition": "AP"},
        {"ViewPosition": "PA", "PerformedProcedureStepDescription": "CHEST (PA AND LAT)"},
        {"ViewPosition": "PA", "StudyDescription": "CHEST LATERAL"},
        {"ViewPosition": "PA", "StudyDescription": "CHEST PA, LAT AND DECUB"},
        {"ViewPosition": "PA", "SeriesDescription": "CHEST 2 VIEWS W DECUBITUS"},
        {"ViewCodeSequence": [code("272479007", "postero-anterior")], "StudyDescription": "CHEST LATERAL"},
        {"SeriesDescription": "Chest PA", "StudyDescription": "CHEST LATERAL"},
        {"AcquisitionDeviceProcessingDescription": "CHEST PA", "SeriesDescription": "CHEST LAT"},
        {"SeriesDescription": "CHEST", "StudyDescription": "CHEST 2 VIEWS"},
        {"StudyDescription": "CHEST WITH LATERAL"},
        {"StudyDescription": "TORAX FRENTE Y PERFIL"},
        {"StudyDescription": "RX TORAX F Y P"},
        {"StudyDescription": "Thorax face et profil"},
        {"StudyDescription": "Thorax p.a. und seitl."},
        {"StudyDescription": "Thorax in 2 Ebenen"},
        {"StudyDescription": "RX torace antero-posteriore e laterale"},
        {"StudyDescription": "Tórax PA e perfil"},
        {"StudyDescription": "X-thorax voorachterwaarts en dwars"},
        {"StudyDescription": "Рентген ОГК в прямой и боковой проекциях"},
        {"StudyDescription": "Unilateral infiltrate? Chest"},
        {"StudyDescription": "Ipsilateral effusion, chest"},
    ],
    ids=str,
)
def test_a_frontal_view_is_judged_whatever_its_study_holds(
    attributes: dict[str, object], tmp_path: Path
) -> None:
    """What is said of the image outweighs what is said of its series, and that what is said of its study."""
    assert reason(tmp_path, **attributes) is None


@pytest.mark.parametrize(
    "text",
    [
        "TORAX LATERAL",
        "Tórax perfil",
        "Thorax seitlich",
        "Thorax de profil",
        "Torace latero-laterale",
        "X-thorax dwars",
        "ОГК, боковая проекция",
    ],
)
def test_a_lateral_is_known_in_the_languages_of_hospitals(text: str, tmp_path: Path) -> None:
    """In the study's description as in the series'."""
    assert reason(tmp_path, StudyDescription=text) == "lateral-view"


def test_the_nearest_description_that_names_a_view_decides(tmp_path: Path) -> None:
    """One that names none leaves it to the next."""
    nearest = {"SeriesDescription": "Chest", "StudyDescription": "CHEST LATERAL"}
    both = {"SeriesDescription": "CHEST PA/LAT", "StudyDescription": "CHEST LATERAL"}

    assert reason(tmp_path, **nearest) == "lateral-view"
    assert reason(tmp_path, **both) == "lateral-view"
    assert reason(tmp_path, SeriesDescription="CHEST LAT", StudyDescription="CHEST PA") == "lateral-view"


def test_a_view_position_that_says_nothing_leaves_it_to_the_descriptions(tmp_path: Path) -> None:
    """Some devices write the cassette's position there."""
    assert reason(tmp_path, ViewPosition="PORTRAIT", SeriesDescription="CHEST LAT") == "lateral-view"
    assert reason(tmp_path, ViewPosition="PORTRAIT", SeriesDescription="CHEST") is None


@pytest.mark.parametrize("keyword", PLACES)
@pytest.mark.parametrize(
    "text",
    [
        "ABDOMEN AP",
        "ABDOMEN (SUPINE AND ERECT) PORT",
        "HAND PA",
        "XR PELVIS 1 VIEW",
        "KNEE_AP",
        "RIBS UNILAT",
        "T-SPINE AP",
        "Becken a.p.",
        "BWS a.p.",
        "Schädel p.a.",
        "Mano izquierda AP",
        "Columna lumbar AP",
        "Bassin face",
        "Épaule AP",
        "Ginocchio AP",
        "Joelho AP",
        "Bekken",
        "Коленный сустав",
        "腰椎 正面",
    ],
)
def test_another_part_of_the_body_is_found_in_a_description(keyword: str, text: str, tmp_path: Path) -> None:
    """Most devices leave Body Part Examined out."""
    assert reason(tmp_path, ViewPosition="AP", **{keyword: text}) == "not-chest"


@pytest.mark.parametrize(
    "attributes",
    [
        {"SeriesDescription": "RIBS UNILAT WITH AP CHEST"},
        {"SeriesDescription": "AP"},
        {"SeriesDescription": "CHEST", "StudyDescription": "ABDOMEN"},
        {"SeriesDescription": "Thorax", "PerformedProcedureStepDescription": "Abdomen"},
        {"StudyDescription": "TRAUMA #2 (AP CXR & PELVIS PORT)"},
        {"StudyDescription": "Thorax und Abdomen"},
        {"StudyDescription": "R/O PE, portable"},
        {"StudyDescription": "MAIN HOSPITAL, PORTABLE"},
        {"StudyDescription": "Rx de face"},
        {"StudyDescription": "Pre-op"},
        {"BodyPartExamined": "CHEST", "StudyDescription": "ABDOMEN AP"},
        {"AnatomicRegionSequence": [code("51185008", "Thorax")], "SeriesDescription": "RIBS"},
        {"PrimaryAnatomicStructureSequence": [code("39607008", "Lung")], "SeriesDescription": "RIBS"},
    ],
    ids=str,
)
def test_a_chest_is_judged_whatever_else_is_named(attributes: dict[str, object], tmp_path: Path) -> None:
    """The image's own attribute decides, then the nearest description that names a part; one of both is a chest's."""
    assert reason(tmp_path, ViewPosition="AP", **attributes) is None


def test_a_primary_structure_is_a_statement_of_the_part(tmp_path: Path) -> None:
    """Of several attributes any may be the one that a device fills in."""
    assert reason(tmp_path, PrimaryAnatomicStructureSequence=[code("72696002", "Knee")]) == "not-chest"


def test_a_vague_part_leaves_it_to_the_descriptions(tmp_path: Path) -> None:
    """ "UNKNOWN" says as little as nothing."""
    assert reason(tmp_path, BodyPartExamined="UNKNOWN", SeriesDescription="HAND PA") == "not-chest"


def test_no_description_is_quoted(tmp_path: Path) -> None:
    """A sender can write a name into any of them, and messages go to logs."""
    ds = chest_radiograph(pixels=PIXELS, **(SILENT | {"StudyDescription": "HAND OF SMITH^JANE"}))
    with pytest.raises(NotApplicable) as raised:
        require_applicable(read(write(ds, tmp_path / "x.dcm")))

    assert "SMITH" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "LATERAL FACE TO WALL",
        "LEFT LATERAL SURFACE",
        "Chest lateral A.P. grid off",
        "CHEST 2V LATERAL",
        "LATERAL CHEST AND LATERAL DECUB",
        "LATCHEST",
        "Thorax Seitenaufnahme",
        "TORAX EN PERFIL",
        "Thorax, lateral",
    ],
)
def test_a_series_of_a_lateral_is_not_excused_by_a_word_beside_it(text: str, tmp_path: Path) -> None:
    """One series has one image: only "PA and lateral" says that its description is that of two."""
    assert reason(tmp_path, SeriesDescription=text) in ("lateral-view", "decubitus-view")


@pytest.mark.parametrize(
    "text",
    [
        "PA AND LAT",
        "PA/LAT",
        "PA + LAT",
        "PA-LAT",
        "Chest lateral and PA",
        "CHEST PA, LATERAL",
        "CHEST PA WITH LATERAL",
        "PROFILE 3",
        "HIGH PROFILE CHEST",
        "CHEST LATERALLY ROTATED",
        "Chest, lateralized opacity",
    ],
)
def test_a_series_of_a_frontal_view_is_judged(text: str, tmp_path: Path) -> None:
    """Conjunctions speak of two images, and some words only begin as a lateral does."""
    assert reason(tmp_path, SeriesDescription=text) is None


@pytest.mark.parametrize(
    "text", ["CHEST PA LAT", "CHEST 2V LATERAL", "CHEST LATERAL, 2 VIEWS", "Thorax frontal lateral"]
)
@pytest.mark.parametrize("keyword", ["StudyDescription", "RequestedProcedureDescription"])
def test_a_study_may_name_its_views_side_by_side(keyword: str, text: str, tmp_path: Path) -> None:
    """It is the description of all of its images."""
    assert reason(tmp_path, **{keyword: text}) is None


@pytest.mark.parametrize(
    "text", ["LATERAL CHEST AND LATERAL DECUB", "LATERAL, FACE TO WALL", "LEFT LATERAL SURFACE"]
)
def test_a_study_without_a_frontal_view_excuses_none(text: str, tmp_path: Path) -> None:
    """Two views of which none is frontal are no frontal view."""
    assert reason(tmp_path, StudyDescription=text) in ("lateral-view", "decubitus-view")


@pytest.mark.parametrize(
    "text",
    [
        "TORAX DECUB. SUPINO",
        "TORAX DECUBITO (SUPINO)",
        "TORAX EN SUPINO DECUBITO",
        "TORAX DORSAL DECUBITO",
        "Thorax décubitus (dorsal)",
    ],
)
def test_supine_in_bed_is_an_ordinary_film(text: str, tmp_path: Path) -> None:
    """In Romance languages decubitus is any way of lying."""
    assert reason(tmp_path, ViewPosition="AP", SeriesDescription=text) is None


@pytest.mark.parametrize(
    "text",
    ["SUPINO / DECUBITO LATERAL", "SUPINO DECUBITO LATERAL", "DECUB. LATERAL (SUPINO)", "DORSAL DECUBITUS"],
)
def test_a_word_for_supine_does_not_hide_a_patient_who_lies_on_a_side(text: str, tmp_path: Path) -> None:
    """The English dorsal decubitus has a horizontal beam."""
    assert reason(tmp_path, ViewPosition="AP", SeriesDescription=text) == "decubitus-view"


@pytest.mark.parametrize(
    "text",
    [
        "PA IN PIEDI",
        "AP ARMS UP",
        "AP ARM DOWN",
        "AP HEAD OF BED 30",
        "PA HANDS ON HIPS",
        "PA HANDS BEHIND HEAD",
        "MOBILE C-ARM AP",
        "Left hand side marker",
        "AP feet first",
        "PA bras levés",
        "PA braccia alzate",
        "PA brazos en alto",
        "AP SHOULDERS ROLLED FORWARD",
    ],
)
@pytest.mark.parametrize("study", ["RX TORACE", "CHEST PORTABLE", None])
def test_a_posture_or_a_device_is_no_part_of_the_body(text: str, study: str | None, tmp_path: Path) -> None:
    """Where arms and hands are, and where the head of the bed is, says nothing of what was taken."""
    assert reason(tmp_path, SeriesDescription=text, StudyDescription=study) is None


@pytest.mark.parametrize(
    "text", ["C-ARM KNEE", "HAND PA", "FOOT FLAT", "SHOULDER ARMS UP", "KNEE BENT", "LEFT ARM AP"]
)
def test_a_part_that_is_named_plainly_is_found_beside_a_posture(text: str, tmp_path: Path) -> None:
    """Also where the study holds a chest: the nearest description decides."""
    assert reason(tmp_path, SeriesDescription=text, StudyDescription="CHEST AND OTHERS") == "not-chest"


@pytest.mark.parametrize(
    ("part", "study", "expected"),
    [
        ("TORSO", "HAND PA", "not-chest"),
        ("PORTABLE", "HAND PA", "not-chest"),
        ("PORTABLE", "CHEST", None),
        ("QWERTY", "CHEST", None),
        ("QWERTY", "HAND PA", "not-chest"),
        ("QWERTY", None, "not-chest"),
        ("HAND", "CHEST", "not-chest"),
    ],
)
def test_a_part_in_unknown_words_is_explained_by_the_descriptions(
    part: str, study: str | None, expected: str | None, tmp_path: Path
) -> None:
    """It may be the chest in another language: where a description says so it is, and where none does it is not."""
    assert reason(tmp_path, BodyPartExamined=part, StudyDescription=study) == expected
