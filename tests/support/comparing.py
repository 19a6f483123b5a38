"""Two films of one patient, for the tests of what is said of both."""

from collections.abc import Mapping
from dataclasses import replace

from pydicom import Dataset
from pydicom.uid import ComputedRadiographyImageStorage

from sgseg_dicom.comparison.compare import compare
from sgseg_dicom.comparison.films import EarlierFilm, FilmReference, Moment
from sgseg_dicom.comparison.repeatability import Repeatability
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import load_language
from sgseg_dicom.records import Finding, Prediction, Radiograph
from sgseg_dicom.result_kinds import Kind, Wanted
from sgseg_dicom.results.encode import encode_results
from sgseg_dicom.zones import Laterality
from tests.support.predictions import ALGORITHM, MADE_AT, both_lungs, read_built, with_lungs

REPEATABILITY = Repeatability(format=1, weights="of a test", least=1.0, growth=0.1, most=9.0, source={})
EARLIER = FilmReference(
    sop_class_uid=ComputedRadiographyImageStorage,
    sop_instance_uid="1.2.3.1.1",
    study_uid="1.2.3",
    series_uid="1.2.3.1",
)
NOW = Moment("20240502", "010000")


def compared(
    before: Mapping[Laterality, float],
    predicted: Prediction | None = None,
    *,
    taken: Moment = Moment("20240301", "081500"),  # noqa: B008 - a tuple
) -> tuple[Radiograph, Finding]:
    """Give an image and its finding beside an earlier film, on which *before* was measured."""
    radiograph = read_built()
    finding = measure(with_lungs(predicted or both_lungs()), radiograph)
    film = EarlierFilm(taken=taken, reference=EARLIER, shares=before)
    return radiograph, replace(
        finding, comparison=compare(NOW, finding.comparable_shares, [film], REPEATABILITY)
    )


def compared_results(
    radiograph: Radiograph, finding: Finding, language: str = "en"
) -> tuple[dict[str, Dataset], Dataset]:
    """Give every form of result, by name, and the image's header."""
    wanted = {"archive": Wanted(results=tuple(Kind), sr_without_regions=True)}
    made, _ = encode_results(
        radiograph,
        finding,
        wanted,
        algorithm=ALGORITHM,
        made_at=MADE_AT,
        language=load_language(language),
    )
    return dict(made), radiograph.header
