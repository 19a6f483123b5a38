"""What the header says of an image decides whether the model may judge it."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from sgseg_dicom.applicability.header_rules import LEAST_SIDE, require_applicable
from sgseg_dicom.errors import Disposition, NotApplicable
from sgseg_dicom.reading.read import read
from tests.support.builders import SOP_CLASSES, chest_radiograph, synthetic_chest, write


def reason(folder: Path, **attributes: object) -> str | None:
    """Give the reason for which a radiograph with *attributes* is refused, None where it is not."""
    radiograph = read(write(chest_radiograph(**attributes), folder / "x.dcm"))
    try:
        require_applicable(radiograph)
    except NotApplicable as refusal:
        return refusal.reason
    return None


def as_utf8(text: str) -> str:
    """Give what makes pydicom, which writes Code Strings byte by byte, write *text* in UTF-8, as some devices do."""
    return text.encode().decode("latin-1")


def coded(code: Code, meaning: str | None = None) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = code.value, code.scheme_designator
    item.CodeMeaning = meaning or code.meaning
    return item


@pytest.mark.parametrize("kind", SOP_CLASSES)
def test_an_adult_frontal_chest_radiograph_is_judged(kind: str, tmp_path: Path) -> None:
    """Every kind that is read may be judged."""
    assert reason(tmp_path, kind=kind) is None


def test_what_the_header_does_not_say_is_accepted(tmp_path: Path) -> None:
    """An anonymised image with none of the attributes is judged."""
    of_the_view = ("ViewPosition", "ViewCodeSequence", "PatientOrientation")
    of_the_part = ("BodyPartExamined", "AnatomicRegionSequence", "Modality")
    of_the_age = ("PatientAge", "PatientBirthDate", "StudyDate", "SeriesDate")
    silent = dict.fromkeys((*of_the_view, *of_the_part, *of_the_age))

    assert reason(tmp_path, **silent) is None


@pytest.mark.parametrize(
    "keyword", ["ViewPosition", "PatientOrientation", "BodyPartExamined", "PatientAge", "PatientBirthDate"]
)
def test_an_empty_value_is_accepted(keyword: str, tmp_path: Path) -> None:
    """Empty says as little as absent."""
    assert reason(tmp_path, **{keyword: ""}) is None


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("PA", None),
        ("AP", None),
        ("AP SUPINE", None),
        ("PORTRAIT", None),
        ("LL", "lateral-view"),
        ("RL", "lateral-view"),
        ("LATERAL", "lateral-view"),
        ("L_LAT", "lateral-view"),
        ("LLD", "decubitus-view"),
        ("RLD", "decubitus-view"),
        ("LLO", "oblique-view"),
        ("RLO", "oblique-view"),
        ("LAO", "oblique-view"),
        ("RPO", "oblique-view"),
        ("DE PROFIL", "lateral-view"),
        ("PERFIL", "lateral-view"),
        ("seitl.", "lateral-view"),
        ("incidence latérale", "lateral-view"),
        ("측면", "lateral-view"),
        ("schräg", "oblique-view"),
        ("ΠΛΆΓΙΑ", "lateral-view"),
        ("боковая", "lateral-view"),
        ("側面", "lateral-view"),
        ("側臥位", "decubitus-view"),
        ("oblicua", "oblique-view"),
        ("斜位", "oblique-view"),
        ("XTL", "lateral-view"),
        ("SWIMMERS", "lateral-view"),
        ("正面", None),
        ("UNKNOWN", None),
    ],
)
def test_only_frontal_view_positions_are_judged(view: str, expected: str | None, tmp_path: Path) -> None:
    """View Position (0018,5101) names lateral, oblique and decubitus views."""
    found = reason(tmp_path, ViewPosition=as_utf8(view), ViewCodeSequence=None)

    assert found == expected


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Chest LAT", "lateral-view"),
        ("TORAX LATERAL", "lateral-view"),
        ("Thorax seitl.", "lateral-view"),
        ("Thorax latéral", "lateral-view"),
        ("ThoraxLat", "lateral-view"),
        ("Thorax 2. Ebene", "lateral-view"),
        ("Thorax 2 Ebenen", None),
        ("Thorax Seite", "lateral-view"),
        ("Thorax Seite 1", None),
        ("Hrudník boční", "lateral-view"),
        ("Lungor sidobild", "lateral-view"),
        ("Akciğer yan grafi", "lateral-view"),
        ("Thorax PA Yan Li", None),
        ("Phổi nghiêng", "lateral-view"),
        ("Chest PA + LAT", None),
        ("CHEST 2 VIEWS, FRONTAL AND LATERAL", None),
        ("Bilateral infiltrates?", None),
        ("Thorax p.a.", None),
        ("", None),
    ],
)
@pytest.mark.parametrize(
    "keyword", ["SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription"]
)
def test_a_description_tells_the_view_where_nothing_else_does(
    keyword: str, description: str, expected: str | None, tmp_path: Path
) -> None:
    """The pixels do not tell a lateral from a frontal view reliably, and many CR devices only describe it."""
    silent = {"ViewPosition": None, "ViewCodeSequence": None, "PatientOrientation": None}
    silent["SpecificCharacterSet"] = "ISO_IR 192"

    assert reason(tmp_path, **silent, **{keyword: description}) == expected


@pytest.mark.parametrize(
    ("keyword", "told"),
    [
        ("SeriesDescription", "Chest PA Bone"),
        ("SeriesDescription", "xray bone suppression"),
        ("SeriesDescription", "Soft_Tissue"),
        ("SeriesDescription", "Tube and Line Visualization"),
        ("ProtocolName", "CHEST DUAL ENERGY"),
        ("DerivationDescription", "Dual-energy subtraction"),
        ("ImageType", ["DERIVED", "PRIMARY", "", "BONE"]),
        ("ImageType", ["DERIVED", "PRIMARY", "TOMOSYNTHESIS"]),
        ("SeriesDescription", "VolumeRAD chest"),
        ("ImageComments", "BONE IMAGE"),
        ("ImageComments", "Bone-suppressed"),
        ("ImageComments", "soft tissue only"),
        ("ImageComments", "SOFT TISSUE"),
        ("ImageComments", "Dual energy subtraction"),
        ("ImageComments", "tomosynthesis slice 12"),
    ],
)
def test_a_part_of_a_radiograph_is_not_judged(keyword: str, told: str, tmp_path: Path) -> None:
    """On a bone image opacities are subtracted: its lungs would read as free of infection."""
    assert reason(tmp_path, **{keyword: told}) == "partial-image"


@pytest.mark.parametrize(
    ("keyword", "told"),
    [
        ("ImageType", ["DERIVED", "PRIMARY"]),
        ("ImageComments", "seen by Tomoko"),
        ("ImageComments", "s/p bone marrow transplant"),
        ("ImageComments", "Soft tissue swelling"),
        ("ImageComments", "Bone metastases? Compare with tomography"),
        ("ImageComments", "PICC line well visualised"),
        ("ImageComments", "osteoporosis in dual energy x-ray absorptiometry"),
        ("AcquisitionDeviceProcessingDescription", "GRID LINE SUPPRESSION, SCATTER SUBTRACTION"),
        ("DerivationDescription", "Noise suppressed, edges enhanced"),
        ("SeriesDescription", "Bony thorax, PICC line in place?"),
    ],
)
def test_a_processed_radiograph_is_a_radiograph(keyword: str, told: str, tmp_path: Path) -> None:
    """Every maker processes, and many DX say that they are derived."""
    assert reason(tmp_path, **{keyword: told}) is None


def test_a_stated_view_is_believed_against_a_description(tmp_path: Path) -> None:
    """A series' description may be that of another image; View Position is the image's own."""
    assert reason(tmp_path, ViewPosition="PA", SeriesDescription="Chest LAT") is None


@pytest.mark.parametrize(
    ("code", "meaning", "expected"),
    [
        (codes.SCT.PosteroAnterior, None, None),
        (codes.SCT.AnteroPosterior, None, None),
        (codes.SCT.LeftLateral, None, "lateral-view"),
        (codes.SCT.RightLateral, "Röntgenbild von rechts", "lateral-view"),
        (codes.SCT.LeftAnteriorOblique, None, "oblique-view"),
        (codes.SCT.RightOblique, "rechts", "oblique-view"),
        (Code("R-10236", "SRT", "left side view"), None, "lateral-view"),
        (Code("R-10234", "SRT", "von schraeg"), "vorn links", "oblique-view"),
    ],
)
def test_only_frontal_view_codes_are_judged(
    code: Code, meaning: str | None, expected: str | None, tmp_path: Path
) -> None:
    """View Code Sequence (0054,0220) is read by code and by meaning."""
    view = [coded(code, meaning)]
    found = reason(tmp_path, ViewPosition=None, ViewCodeSequence=view, SpecificCharacterSet="ISO_IR 192")

    assert found == expected


@pytest.mark.parametrize(
    "orientation", [["H", ""], ["", "H"], ["F", "H"], ["L", "R"], ["RIGHT", "FOOT"], ["FOO", "BAR"]], ids=str
)
def test_an_orientation_that_tells_no_side_is_refused(orientation: list[str], tmp_path: Path) -> None:
    """Stated but unusable is not the same as absent: the side would be a guess."""
    assert reason(tmp_path, PatientOrientation=orientation) == "orientation"


@pytest.mark.parametrize("orientation", [["A", "F"], ["P", "F"], ["AL", "F"], ["F", "P"]])
def test_a_lateral_orientation_is_refused(orientation: list[str], tmp_path: Path) -> None:
    """Rows that run from back to front are those of a lateral view."""
    assert reason(tmp_path, PatientOrientation=orientation) == "lateral-view"


@pytest.mark.parametrize(
    ("body_part", "expected"),
    [
        ("CHEST", None),
        ("THORAX", None),
        ("TORAX", None),
        ("LUNG", None),
        ("PORT CHEST", None),
        ("CHEST_PA", None),
        ("POUMONS", None),
        ("UNKNOWN", None),
        ("TORAKS", None),
        ("CAGE THORACIQUE", None),
        ("GABBIA TORACICA", None),
        ("THORACIC", None),
        ("BRYST", None),
        ("BRUST", None),
        ("BORST", None),
        ("PECHO", None),
        ("TORSO", None),
        ("PORTABLE", None),
        ("THORACIC SPINE", "not-chest"),
        ("BRUSTWIRBEL", "not-chest"),
        ("BRUST MAMMO", "not-chest"),
        ("LKNEE", "not-chest"),
        ("KIDNEY", "not-chest"),
        ("Грудная клетка", None),
        ("Легкие", None),
        ("Θώρακας", None),
        ("صدر", None),
        ("חזה", None),
        ("胸部", None),
        ("흉부", None),
        ("ngực", None),
        ("Mellkas", None),
        ("klatka piersiowa", None),
        ("Plíce", None),
        ("göğüs", None),
        ("unbekannt", None),
        ("Colonne thoracique", "not-chest"),
        ("膝", "not-chest"),
        ("Fuß", "not-chest"),
        ("ABDOMEN", "not-chest"),
        ("HAND", "not-chest"),
        ("TSPINE", "not-chest"),
        ("RIB", "not-chest"),
        ("SKULL", "not-chest"),
    ],
)
def test_only_the_chest_is_judged(body_part: str, expected: str | None, tmp_path: Path) -> None:
    """Body Part Examined (0018,0015) that names something else is believed."""
    said = {"BodyPartExamined": as_utf8(body_part), "AnatomicRegionSequence": None}

    assert reason(tmp_path, **said) == expected


@pytest.mark.parametrize(
    ("region", "meaning", "expected"),
    [
        (codes.SCT.Chest, "Brust", None),
        (codes.SCT.Lung, None, None),
        (codes.SCT.ChestAndAbdomen, None, None),
        (codes.SCT.Hand, None, "not-chest"),
        (codes.SCT.ThoracicSpine, None, "not-chest"),
        (Code("76752008", "SCT", "Breast"), "Brust", "not-chest"),
    ],
)
def test_the_region_is_read_where_the_body_part_is_absent(
    region: Code, meaning: str | None, expected: str | None, tmp_path: Path
) -> None:
    """Anatomic Region Sequence (0008,2218) is read by code and by meaning."""
    regions = [coded(region, meaning)]

    assert reason(tmp_path, BodyPartExamined=None, AnatomicRegionSequence=regions) == expected


def test_a_contradiction_about_the_body_part_is_not_clearly_another_part(tmp_path: Path) -> None:
    """One that says chest is enough."""
    assert reason(tmp_path, BodyPartExamined="HAND", AnatomicRegionSequence=[coded(codes.SCT.Chest)]) is None


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("018Y", None),
        ("090Y", None),
        ("216M", None),
        ("017Y", "child"),
        ("011M", "child"),
        ("003D", "child"),
        ("52W", "child"),
        ("12Y", "child"),
        ("6 Y", "child"),
        ("006 Y", "child"),
        ("017", "child"),
        ("052", None),
        ("45Y", None),
        ("FORTY", None),
    ],
)
def test_only_adults_are_judged(age: str, expected: str | None, tmp_path: Path) -> None:
    """Patient's Age (0010,1010) under 18 years is a child; what is no age says nothing."""
    assert reason(tmp_path, PatientAge=age, PatientBirthDate=None) == expected


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        *(
            ("20060501", None),
            ("20060502", "child"),
            ("20240430", "child"),
            ("20300101", None),
            ("1960", None),
        ),
        *(("2018", "child"), ("200605", None), ("200606", "child")),
    ],
)
def test_without_an_age_the_dates_decide(born: str, expected: str | None, tmp_path: Path) -> None:
    """The age is counted to the day of the study, 1 May 2024; a birth after it is no birth date."""
    assert reason(tmp_path, PatientAge=None, PatientBirthDate=born) == expected


NO_DATES = dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"))


@pytest.mark.parametrize(
    ("years", "expected"), [(2, "child"), (17.9, "child"), (18.1, None), (-1, None)], ids=str
)
def test_who_is_a_child_today_was_one_when_the_image_was_made(tmp_path, years, expected):
    """Study Date may be empty (type 2); a birth in the future is no birth date."""
    born = datetime.now() - timedelta(days=365.25 * years)

    found = reason(tmp_path, PatientAge=None, PatientBirthDate=born.strftime("%Y%m%d"), **NO_DATES)

    assert found == expected


@pytest.mark.parametrize(
    "dates",
    [
        {"StudyDate": "19000101", "SeriesDate": "20240501"},
        {"StudyDate": "19700101", "SeriesDate": "19700101"},
    ],
)
@pytest.mark.parametrize(("born", "expected"), [("20200101", "child"), ("19500101", None)])
def test_an_image_was_not_made_before_its_patient_was_born(tmp_path, dates, born, expected):
    """A clock that was reset writes 1970: such a date says nothing, the others or today do."""
    found = reason(tmp_path, PatientAge=None, PatientBirthDate=born, **(NO_DATES | dates))

    assert found == expected


@pytest.mark.parametrize(("born", "expected"), [("20060501", None), ("20060502", "child")])
def test_the_day_of_a_date_and_time_counts(tmp_path, born, expected):
    """Acquisition DateTime (0008,002A) may be the only one that says when."""
    at = "20240501101010.5+0100"

    found = reason(tmp_path, PatientAge=None, PatientBirthDate=born, AcquisitionDateTime=at, **NO_DATES)

    assert found == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"QualityControlImage": "YES"}, "not-a-patient"),
        ({"QualityControlImage": "NO"}, None),
        ({"PatientSpeciesDescription": "Canine"}, "not-a-patient"),
        ({"PatientSpeciesDescription": "Human"}, None),
        ({"PatientSpeciesDescription": "homo sapiens"}, None),
        ({"PatientSpeciesCodeSequence": [coded(codes.SCT.HomoSapiens)]}, None),
        ({"PatientSpeciesCodeSequence": [coded(codes.SCT.HomoSapiens, "Mensch")]}, None),
        (
            {"PatientSpeciesCodeSequence": [coded(Code("L-80700", "SRT", "Canis lupus familiaris"))]},
            "not-a-patient",
        ),
    ],
    ids=str,
)
def test_phantoms_and_animals_are_not_judged(tmp_path, told, expected):
    """A draft about one would be filed as a patient's."""
    assert reason(tmp_path, **told) == expected


def test_a_thumbnail_is_refused(tmp_path: Path) -> None:
    """An image of fewer than 64 pixels on a side is not judged."""
    assert reason(tmp_path, pixels=synthetic_chest((LEAST_SIDE - 1, 200))) == "too-small"
    assert reason(tmp_path, pixels=synthetic_chest((200, LEAST_SIDE - 1))) == "too-small"
    assert reason(tmp_path, pixels=synthetic_chest((LEAST_SIDE, LEAST_SIDE))) is None


@pytest.mark.parametrize(
    ("age", "born", "expected"),
    [
        ("000Y", "19500101", None),
        ("000D", "20260101", "child"),
        ("000Y", None, "child"),
        ("000D", None, "child"),
    ],
)
def test_an_age_of_zero_may_be_an_unknown_one(tmp_path, age, born, expected):
    """The birth date decides where there is one; without it nobody is taken for an adult."""
    assert reason(tmp_path, PatientAge=age, PatientBirthDate=born, StudyDate="20260102") == expected


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_blank_image_is_refused(photometric: str, tmp_path: Path) -> None:
    """One value everywhere is no radiograph, and padding beside it makes it none."""
    blank = np.full((100, 100), 900, np.uint16)
    assert reason(tmp_path, pixels=blank, PhotometricInterpretation=photometric) == "blank"

    blank[:20] = 0
    padded = {"pixels": blank, "PhotometricInterpretation": photometric, "PixelPaddingValue": 0}
    assert reason(tmp_path, **padded) == "blank"


def test_a_refusal_is_final_and_names_nobody(tmp_path: Path) -> None:
    """The job ends, with a message that has neither name, id nor birth date."""
    radiograph = read(write(chest_radiograph(PatientAge="004Y"), tmp_path / "x.dcm"))

    with pytest.raises(NotApplicable) as caught:
        require_applicable(radiograph)

    assert caught.value.disposition is Disposition.REJECT
    assert not [word for word in ("Nobody", "TEST0000", "19600401", "004Y") if word in str(caught.value)]


@pytest.mark.parametrize(
    "attributes",
    [
        {"BodyPartExamined": "HAND SMITH^JANE", "AnatomicRegionSequence": None},
        {"BodyPartExamined": None, "AnatomicRegionSequence": [coded(codes.SCT.Hand, "SMITH^JANE")]},
        {"PatientOrientation": ["SMITH^JANE", "SMITH"]},
        {"ViewPosition": "LATERAL SMITH^JANE"},
        {"ViewCodeSequence": [coded(codes.SCT.Hand, "SMITH^JANE OBLIQUE")]},
    ],
    ids=str,
)
def test_what_is_no_defined_term_is_not_quoted(attributes: dict[str, object], tmp_path: Path) -> None:
    """A name in the wrong attribute does not get into the message, and from there into logs."""
    radiograph = read(write(chest_radiograph(**attributes), tmp_path / "x.dcm"))

    with pytest.raises(NotApplicable) as caught:
        require_applicable(radiograph)
    assert not [word for word in ("SMITH", "JANE") if word in str(caught.value).upper()]
