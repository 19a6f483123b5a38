"""The fallbacks: the picture with burned-in words, and the presentation state with outlines; both drafts."""

import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage, SecondaryCaptureImageStorage

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import ENGLISH, load_language
from sgseg_dicom.results.film import scaled
from sgseg_dicom.results.overlay import GUTTER, LONGER_SIDE, LUNG_COLOURS, MARGIN
from sgseg_dicom.results.presentation_state import encode_state
from sgseg_dicom.results.secondary_capture import encode_capture
from sgseg_dicom.results.text_column import TextColumn
from sgseg_dicom.zones import Laterality
from tests.support.builders import SOP_CLASSES, synthetic_chest
from tests.support.predictions import (
    ALGORITHM,
    MADE_AT,
    ORIENTATIONS,
    both_lungs,
    bright_parts,
    prediction,
    read_built,
    stored_as,
)

SOURCES = {
    **{kind: {"kind": kind} for kind in SOP_CLASSES},
    "CR MONOCHROME1": {"kind": "CR", "PhotometricInterpretation": "MONOCHROME1"},
    "DX MONOCHROME1": {"PhotometricInterpretation": "MONOCHROME1"},
    "shutter": {
        "ShutterShape": "RECTANGULAR",
        "ShutterLeftVerticalEdge": 11,
        "ShutterRightVerticalEdge": 190,
        "ShutterUpperHorizontalEdge": 1,
        "ShutterLowerHorizontalEdge": 200,
    },
    "odd size": {"pixels": synthetic_chest((301, 203))},
    "bare CR": dict.fromkeys(
        ["PatientOrientation", "ImagerPixelSpacing", "WindowCenter", "WindowWidth", "BodyPartExamined"]
    )
    | {"kind": "CR"},
}
ENCODERS = {"capture": encode_capture, "state": encode_state}
MADE = {"algorithm": ALGORITHM, "made_at": MADE_AT}


def encoded(form, radiograph, predicted=None, **options):
    finding = measure(predicted or both_lungs(), radiograph)
    return finding, ENCODERS[form](radiograph, finding, **MADE, **options)


def errors_of(ds, folder):
    path = folder / "result.dcm"
    ds.save_as(path, enforce_file_format=True)
    program = shutil.which("dciodvfy") or str(Path(sys.executable).with_name("dciodvfy"))
    said = subprocess.run([program, str(path)], capture_output=True, text=True, check=False).stderr
    assert {"SCImage", "GrayscaleSoftcopyPresentationState"} & {*said.splitlines()}, "not known to dciodvfy"
    return [line for line in said.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("form", ENCODERS)
@pytest.mark.parametrize("source", SOURCES)
def test_dciodvfy_finds_no_error(source, form, tmp_path):
    """
    Every kind, polarity and gap of a source, in German.
    """
    _, ds = encoded(form, read_built(**SOURCES[source]), language=load_language("de"))

    assert errors_of(ds, tmp_path) == []


@pytest.mark.parametrize("predicted", [prediction(zones=[]), prediction(zones=["left lower"])])
def test_an_image_without_a_region_has_a_picture_and_no_outlines(predicted, tmp_path):
    """
    Nothing found, and a zone without a mask: a presentation state would have nothing to outline.
    """
    _, picture = encoded("capture", read_built(), predicted)
    _, state = encoded("state", read_built(), predicted)

    assert errors_of(picture, tmp_path) == []
    assert state is None


@pytest.mark.skipif(not Path("/usr/bin/dcmpschk").exists(), reason="DCMTK is not installed (apt: dcmtk)")
@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
def test_dcmtk_accepts_the_state(polarity, tmp_path):
    """
    Its checker of presentation states passes it.
    """
    _, state = encoded("state", read_built(PhotometricInterpretation=polarity))
    state.save_as(tmp_path / "state.dcm", enforce_file_format=True)

    checked = subprocess.run(
        ["/usr/bin/dcmpschk", tmp_path / "state.dcm"], capture_output=True, text=True, check=False
    )

    assert "Test passed" in checked.stdout + checked.stderr


@pytest.mark.parametrize("form", ENCODERS)
def test_the_same_time_gives_the_same_bytes(form):
    """
    No clock and no chance, with UIDs of its own.
    """

    def written():
        file = BytesIO()
        encoded(form, read_built())[1].save_as(file)
        return file.getvalue()

    assert written() == written()
    assert (
        encoded("capture", read_built())[1].SOPInstanceUID != encoded("state", read_built())[1].SOPInstanceUID
    )


@pytest.mark.parametrize("shape", [(300, 300), (97, 300), (300, 97)])
def test_a_capture_is_a_colour_picture_whose_film_is_large(shape):
    """
    However the image is shaped, and however long the text beside it: the film has 1024 pixels, and margins.
    """
    radiograph = read_built(pixels=synthetic_chest(shape))
    _, capture = encoded("capture", radiograph, language=load_language("es"))

    assert capture.SOPClassUID == SecondaryCaptureImageStorage
    assert (capture.PhotometricInterpretation, capture.BurnedInAnnotation) == ("RGB", "YES")
    width, height = scaled(radiograph, LONGER_SIDE)
    assert (capture.Rows, capture.Columns) > (height + 2 * MARGIN, width + 2 * GUTTER)
    assert max(capture.Rows, capture.Columns) < 2 * LONGER_SIDE
    assert capture.pixel_array.shape == (capture.Rows, capture.Columns, 3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_capture_shows_each_lung_on_its_side(orientation):
    """
    The standard display however the image is stored: the patient's right at the left edge, and it says so.
    """
    _, capture = encoded("capture", read_built(stored_as(orientation, synthetic_chest((240, 200)))))
    width = round(LONGER_SIDE * 200 / 240)
    picture = capture.pixel_array[:, GUTTER : GUTTER + width]  # the legend beside it has the colours too
    middle = width // 2

    assert capture.PatientOrientation == ["L", "F"]
    for side, half in ((Laterality.RIGHT, np.s_[:, :middle]), (Laterality.LEFT, np.s_[:, middle:])):
        assert (picture[half] == LUNG_COLOURS[side]).all(axis=-1).any()
        other = LUNG_COLOURS[Laterality.LEFT if side is Laterality.RIGHT else Laterality.RIGHT]
        assert not (picture[half] == other).all(axis=-1).any()


def test_each_style_of_a_capture_has_uids_of_its_own():
    """
    What differs in content differs in form: a kept picture is never another one under the same UID.
    """
    outline, fill = (encoded("capture", read_built(), style=style)[1] for style in ("outline", "fill"))

    assert outline.PixelData != fill.PixelData
    assert outline.SOPInstanceUID != fill.SOPInstanceUID
    assert outline.SeriesInstanceUID != fill.SeriesInstanceUID


def test_a_capture_says_in_text_what_is_burned_in():
    """
    The sentence and the warning with algorithm and version; the source image is referenced.
    """
    radiograph = read_built()
    finding, capture = encoded("capture", radiograph)

    assert capture.ImageComments == f"{finding.sentence} {ENGLISH.warning(ALGORITHM)}"
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == radiograph.sop_instance_uid


def test_a_state_inverts_the_image_whose_lowest_value_is_white():
    """
    Without it viewers show a MONOCHROME1 image as its negative.
    """
    shapes = [
        encoded("state", read_built(PhotometricInterpretation=polarity))[1].PresentationLUTShape
        for polarity in ("MONOCHROME1", "MONOCHROME2")
    ]

    assert shapes == ["INVERSE", "IDENTITY"]


def test_a_state_takes_over_the_images_grey():
    """
    Rescale and the first window: a state without them shows another grey than the image.
    """
    _, state = encoded(
        "state",
        read_built(kind="CR", RescaleSlope=2, RescaleIntercept=-5, WindowCenter=4000, WindowWidth=3000),
    )

    (voi,) = state.SoftcopyVOILUTSequence
    assert (state.RescaleSlope, state.RescaleIntercept) == (2, -5)
    assert (voi.WindowCenter, voi.WindowWidth) == (4000, 3000)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_states_outline_encloses_the_finding_in_its_lungs_layer(orientation):
    """
    A bright square in the image's left half, stored in each of the eight ways: the patient's right lung.
    """
    shown = np.full((224, 224), 500, dtype=np.uint16)
    shown[120:160, 40:70] = 4095
    radiograph = read_built(stored_as(orientation, shown))

    _, state = encoded("state", radiograph, bright_parts(radiograph))

    outlines = [item for item in state.GraphicAnnotationSequence if "GraphicObjectSequence" in item]
    points = np.reshape(outlines[0].GraphicObjectSequence[0].GraphicData, (-1, 2))
    rows, columns = np.nonzero(orientation.to_stored(shown) == 4095)
    assert state.SOPClassUID == GrayscaleSoftcopyPresentationStateStorage
    assert [item.GraphicLayer for item in outlines] == ["RIGHT_LUNG"]
    assert points.min(axis=0).tolist() == [columns.min(), rows.min()]
    assert points.max(axis=0).tolist() == [columns.max() + 1, rows.max() + 1]


OBLONG = [
    ({"PixelSpacing": [0.3, 0.1]}, [3, 1]),
    ({"PixelSpacing": [0.1, 0.2]}, [1, 2]),
    ({"ImagerPixelSpacing": None, "PixelAspectRatio": [2, 1]}, [2, 1]),
    ({"PixelSpacing": [0.168, 0.1679]}, [1, 1]),
    ({"PixelSpacing": [0.2, 20]}, [1, 1]),
]


@pytest.mark.parametrize(("stated", "expected"), OBLONG)
def test_a_state_shows_pixels_as_tall_as_they_are(stated, expected):
    """PS3.3 C.10.4: 1 to 1 of every image would stretch one whose pixels are not square."""
    _, state = encoded("state", read_built(**stated))

    assert list(state.DisplayedAreaSelectionSequence[0].PresentationPixelAspectRatio) == expected


@pytest.mark.parametrize("orientation", [["L", "F"], ["F", "L"]])
def test_a_picture_shows_pixels_as_tall_as_they_are(orientation):
    """In the standard display, where a transposed image's pixels lie on their side."""
    radiograph = read_built(PixelSpacing=[0.2, 0.1], PatientOrientation=orientation)
    square = read_built(PatientOrientation=orientation)

    tall, plain = (scaled(one, 1000) for one in (radiograph, square))

    stretched = 2 if orientation == ["L", "F"] else 0.5
    assert tall[1] / tall[0] == pytest.approx(stretched * plain[1] / plain[0], rel=0.01)


def test_a_state_says_the_sentence_and_the_warning():
    """
    As text, in the language asked for.
    """
    german = load_language("de")
    finding, state = encoded("state", read_built(), language=german)

    texts = [
        text.UnformattedTextValue
        for item in state.GraphicAnnotationSequence
        for text in item.get("TextObjectSequence", [])
    ]
    assert texts[0] == german.warning(ALGORITHM)
    assert texts[1] == german.sentence(finding.zones)


@pytest.mark.parametrize(("orientation", "said"), [(None, True), ("\\", True), ("L\\F", False)])
def test_both_say_that_the_sides_are_assumed(orientation, said, monkeypatch):
    """
    They name sides as the SR does; where the image states none, neither knows more than the standard display.
    """
    radiograph = read_built(PatientOrientation=orientation)
    drawn = []
    write = TextColumn.paragraph

    def watched(self, text, *rest, **options):
        drawn.append(text)
        write(self, text, *rest, **options)

    monkeypatch.setattr(TextColumn, "paragraph", watched)
    encoded("capture", radiograph)
    _, state = encoded("state", radiograph)

    below = state.GraphicAnnotationSequence[-1].TextObjectSequence[2].UnformattedTextValue
    for text in (" ".join(drawn), below):
        assert "split" in text or "middle" in text
        assert ("not stated" in text) is said


def test_a_state_leaves_out_a_window_that_shows_nothing():
    """
    Reading gave it up; under it the outlines would lie on a black image.
    """
    _, useful = encoded("state", read_built(WindowCenter=2000, WindowWidth=3000))
    _, useless = encoded("state", read_built(WindowCenter=-30000, WindowWidth=10))
    assert "SoftcopyVOILUTSequence" in useful
    assert "SoftcopyVOILUTSequence" not in useless
