"""
Make the pictures of docs/viewers.md again: `python -m docs.viewer_pictures`. It needs what the viewers' tests need.

A stock OHIF: the address names a study and nothing else, and OHIF asks before it draws. Drawn chests go through a
real node, as in `docs.pictures`. It takes about six minutes.
"""

import argparse
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from PIL import Image
from pydicom import Dataset

from docs.drawn_chest import Opacity, drawn_chest
from docs.pictures import (
    FOLDER,
    LEFT_CLOUD,
    RIGHT_CLOUD,
    Judged,
    first_text,
    once_painted,
    save_smaller,
    stage,
)
from sgseg_dicom.zones import Laterality
from tests.support.builders import chest_radiograph
from tests.viewers.browser import served_viewers
from tests.viewers.ohif import Ohif

if TYPE_CHECKING:
    from playwright.sync_api import Page

_CLOUDS = {
    "both": (RIGHT_CLOUD, LEFT_CLOUD),
    "right": (RIGHT_CLOUD,),
    "normal": (),
    "first": (RIGHT_CLOUD, LEFT_CLOUD),
    "second": (RIGHT_CLOUD,),
    "visit-1": (Opacity(0.25, 0.62, 0.10, 0.09, 0.34), LEFT_CLOUD),
    "visit-2": (Opacity(0.25, 0.62, 0.08, 0.07, 0.34), LEFT_CLOUD),
    "follow-up": (RIGHT_CLOUD, LEFT_CLOUD),
    "not-judged": (),
}
"""The drawings. "first" and "second" are films of one study, the next three of one patient at other times."""
_DAYS = {"visit-1": "20240420", "visit-2": "20240424", "follow-up": "20240501"}
_COMPARED = "breathing and posture"
"""The end of a comparison: the page is scrolled to it."""
_TEXTS = {"follow-up": "text.dcm", "not-judged": "answer.dcm"}
"""Of these the report in words alone is shown."""
_SIDES = {"both": tuple(Laterality), "right": (Laterality.RIGHT,)}
_STILL_MILLISECONDS = 6000


def main() -> None:
    """Make all pictures, and print what the lists of series show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the pictures")
    parser.add_argument("--only", nargs="+", default=list(_CLOUDS), help=f"drawings, of {' '.join(_CLOUDS)}")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    films = {name: film for name, film in _films().items() if name in given.only}
    later = {name: films.pop(name) for name in ("follow-up",) if name in films}
    with (
        TemporaryDirectory(prefix="sgseg-pictures-") as folder,
        stage(Path(folder), films, later) as (judged, archive, page),
        served_viewers(archive) as origin,
    ):
        _print_series(judged)
        if later:
            capture = judged["follow-up"].results["secondary-capture.dcm"].pixel_array
            save_smaller(Image.fromarray(capture), given.out / "follow-up.png")
        _Photographer(Ohif(page, origin), page, given.out).photograph(judged)


class _Photographer:
    """Who opens studies in OHIF and keeps what is on the screen."""

    def __init__(self, ohif: Ohif, page: "Page", out: Path) -> None:
        self._ohif, self._page, self._out = ohif, page, out

    def photograph(self, judged: Mapping[str, Judged]) -> None:
        """Keep opening, mask, report and text of each drawing, as far as they are there."""
        for name, text in _TEXTS.items():
            if name in judged:
                self._show_text(judged[name].results[text], name)
        for name in ("both", "right", "normal", "first"):
            if name not in judged:
                continue
            results = judged[name].results
            self._open(results["text.dcm"])
            self._keep(f"viewer-{'two-films' if name == 'first' else name}")
            if name == "first":
                continue
            if "seg.dcm" in results:
                self._double_click(results["seg.dcm"])
                _save(once_painted(self._page, _SIDES[name]), self._out / f"viewer-{name}-mask.png")
                self._open(results["sr.dcm"])
                self._double_click(results["sr.dcm"])
                self._keep(f"viewer-{name}-report")
            self._show_text(results["text.dcm"], name)

    def _show_text(self, report: Dataset, name: str) -> None:
        self._open(report)
        self._double_click(report)
        self._ohif.wait_for_text(first_text(report))
        if name in _DAYS:
            self._page.get_by_text(_COMPARED).last.scroll_into_view_if_needed()
        self._keep(f"viewer-{name}-text")

    def _open(self, result: Dataset) -> None:
        self._ohif.open_study(result.StudyInstanceUID)
        self._ohif.wait_for_text(result.SeriesDescription)
        self._page.wait_for_timeout(_STILL_MILLISECONDS)

    def _double_click(self, result: Dataset) -> None:
        self._ohif.double_click(result.SeriesDescription)

    def _keep(self, name: str) -> None:
        self._page.wait_for_timeout(_STILL_MILLISECONDS)
        _save(self._page.screenshot(), self._out / f"{name}.png")


def _save(picture: bytes, path: Path) -> None:
    """Write 256 colours that cover all that occur, the rare ones too: a quarter of the bytes."""
    image = Image.open(BytesIO(picture)).convert("RGB")
    few = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def _films() -> dict[str, Dataset]:
    spacing = {"ImagerPixelSpacing": [0.4, 0.4]}
    films = {
        name: chest_radiograph(pixels=drawn_chest(clouds), seed=seed, **spacing)
        for seed, (name, clouds) in enumerate(_CLOUDS.items(), 40)
    }
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName"):
        setattr(films["second"], keyword, films["first"][keyword].value)
    for name, day in _DAYS.items():
        films[name].PatientID = films["visit-1"].PatientID
        for keyword in ("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate"):
            setattr(films[name], keyword, day)
    films["not-judged"].ViewPosition = "LL"
    films["second"].SeriesNumber, films["second"].ViewPosition = 2, "AP"
    return films


def _print_series(judged: Mapping[str, Judged]) -> None:
    for name, one in judged.items():
        for result in sorted(one.results.values(), key=lambda ds: int(ds.SeriesNumber)):
            print(f"| {name} | {result.Modality} | {result.SeriesNumber} | {result.SeriesDescription} |")


if __name__ == "__main__":
    main()
