"""Where the header says nothing of the sides, the image must tell them, and the results say so before all else."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from sgseg_dicom.applicability.image_check import (
    SURE_OF_SIDE,
    ImageCheckScores,
    Limits,
    require_upright_chest,
)
from sgseg_dicom.check import require_valid
from sgseg_dicom.errors import NotApplicable
from sgseg_dicom.language.language import ENGLISH, PACKAGED, Language, load_language
from sgseg_dicom.reading.read import read
from sgseg_dicom.records import Finding, ModelInput, Radiograph
from sgseg_dicom.result_kinds import Kind, Wanted
from sgseg_dicom.results.encode import encode_results
from tests.support.builders import chest_radiograph, synthetic_chest, write
from tests.support.predictions import ALGORITHM, MADE_AT

SILENT = {
    "PatientOrientation": None,
    "ViewPosition": None,
    "ViewCodeSequence": None,
    "ImageLaterality": None,
    "Laterality": None,
}
"""What no film of some hospitals states."""

MODEL_INPUT = ModelInput(pixels=np.random.default_rng(1).normal(size=(224, 224)).astype(np.float32))


class Says:
    """An image check that finds nothing but how likely the image is mirrored."""

    limits = Limits(
        blank=2, saturated=2, not_chest=1, inverted=1, rotated=1, upside_down=1, cut_off=1, mirrored=5
    )

    def __init__(self, mirrored: float) -> None:
        self._mirrored = mirrored

    def __call__(self, pixels: object) -> ImageCheckScores:
        return ImageCheckScores(-9, -9, -9, -9, -9, self._mirrored)


def coded_view(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def radiograph(folder: Path, **attributes: object) -> Radiograph:
    ds = chest_radiograph(pixels=synthetic_chest((96, 80)), **(SILENT | attributes))
    return read(write(ds, folder / "x.dcm"))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, False),
        ({"PatientOrientation": "", "ViewPosition": "", "ImageLaterality": ""}, False),
        ({"PatientOrientation": ["L", "F"]}, True),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, True),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, False),
        ({"ViewPosition": "PA"}, True),
        ({"ViewCodeSequence": [coded_view("272479007", "von hinten nach vorn")]}, True),
        ({"ViewCodeSequence": [coded_view("261665006", "Unknown")]}, False),
        ({"ViewPosition": "UNKNOWN"}, False),
        ({"ViewPosition": "PORTRAIT"}, False),
        ({"ImageLaterality": "L"}, True),
        ({"ImageLaterality": "B"}, True),
        ({"ImageLaterality": "U"}, False),
        ({"Laterality": "U"}, False),
        ({"SeriesDescription": "Chest PA"}, False),
    ],
    ids=str,
)
def test_orientation_view_and_laterality_are_statements(
    attributes: dict[str, object], expected: bool, tmp_path: Path
) -> None:
    """A description is none: whoever wrote it did not think of how the image is stored. A filler is none either."""
    assert radiograph(tmp_path, **attributes).display.sides_are_stated is expected


@pytest.mark.parametrize("mirrored", [0.0, 3.0, -SURE_OF_SIDE + 0.1])
def test_an_image_that_does_not_tell_its_side_is_not_judged(mirrored: float) -> None:
    """Not more likely mirrored than not is too little, where nobody states the sides."""
    with pytest.raises(NotApplicable) as raised:
        require_upright_chest(MODEL_INPUT, image_check=Says(mirrored), sides_are_stated=False)

    assert raised.value.reason == "side-unknown"


def test_an_image_that_tells_its_side_is_judged() -> None:
    """Nothing is refused that is stated, or seen."""
    require_upright_chest(MODEL_INPUT, image_check=Says(-SURE_OF_SIDE), sides_are_stated=False)
    require_upright_chest(MODEL_INPUT, image_check=Says(3.0), sides_are_stated=True)


def test_what_looks_mirrored_is_refused_as_mirrored() -> None:
    """The truer cause is said."""
    with pytest.raises(NotApplicable) as raised:
        require_upright_chest(MODEL_INPUT, image_check=Says(7.0), sides_are_stated=False)

    assert raised.value.reason == "mirrored"


@pytest.mark.parametrize("name", ["en", "de", "es"])
def test_results_say_first_that_only_the_look_tells_the_sides(name: str, tmp_path: Path) -> None:
    """In the text before the warning, in the measurement report before the sentence, once in each."""
    language = load_language(name)
    source, finding = radiograph(tmp_path), clear()
    caution = language.caution(source)
    files, _ = encode_results(
        source,
        finding,
        {"PACS": Wanted(results=(Kind.SR, Kind.TEXT))},
        algorithm=ALGORITHM,
        made_at=MADE_AT,
        language=language,
    )

    assert len(caution) == 1
    require_valid(files, source.header, extent=source.stored_extent)
    for ds in files.values():
        texts, sentence = texts_of(ds), language.sentence(finding.zones)
        assert texts.count(caution[0]) == 1
        assert texts.index(caution[0]) < texts.index(sentence)


def test_results_of_an_image_that_states_its_side_do_not(tmp_path: Path) -> None:
    """A caution that is always there is read by nobody."""
    assert ENGLISH.caution(radiograph(tmp_path, ViewPosition="PA")) == []


def test_a_language_file_of_before_says_what_it_can(tmp_path: Path) -> None:
    """A site's own file without the new text says that the orientation is not stated."""
    path = tmp_path / "own.toml"
    lines = (PACKAGED / "en.toml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("side_by_look", "side-unknown"))]
    path.write_text("\n".join(kept).replace('code = "en"', 'code = "en-x-own"'))
    language = load_language(str(path))

    assert language.caution(radiograph(tmp_path)) == [
        "Patient Orientation is not stated: right and left assume the standard display."
    ]
    assert "not one that the software may judge" in Language(path=path).not_judged("side-unknown")


def clear() -> Finding:
    """Give a finding of nothing."""
    nothing = (False,) * 6
    return Finding(
        regions=(),
        zones=nothing,
        zone_probabilities=np.full(6, 0.01, dtype=np.float32),
        sentence=ENGLISH.sentence(nothing),
        reached=nothing,
    )


def texts_of(ds: Dataset) -> list[str]:
    """Give the texts of a report in the order in which they are read."""
    found = []
    for item in ds.get("ContentSequence") or ():
        if "TextValue" in item:
            found.append(str(item.TextValue))
        found += texts_of(item)
    return found
