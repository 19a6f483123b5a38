"""
Make the pictures of docs/viewers.md again: `python -m docs.viewer_pictures`. It needs what the viewers' tests need.

A stock OHIF: the address names a study and nothing else, and OHIF asks before it draws. Drawn chests go through a
real node, as in `docs.pictures`. It takes about five minutes.
"""

import argparse
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from PIL import Image
from pydicom import Dataset

from docs.drawn_chest import drawn_chest
from docs.pictures import FOLDER, LEFT_CLOUD, RIGHT_CLOUD, Judged, first_text, once_painted, stage
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
}
"""The drawings; the last two are films of one study."""
_SIDES = {"both": tuple(Laterality), "right": (Laterality.RIGHT,)}
_STILL_MILLISECONDS = 6000


def main() -> None:
    """Make all pictures, and print what the lists of series show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(prefix="sgseg-pictures-") as folder,
        stage(Path(folder), _films()) as (judged, archive, page),
        served_viewers(archive) as origin,
    ):
        _print_series(judged)
        _Photographer(Ohif(page, origin), page, out).photograph(judged)


class _Photographer:
    """Who opens studies in OHIF and keeps what is on the screen."""

    def __init__(self, ohif: Ohif, page: "Page", out: Path) -> None:
        self._ohif, self._page, self._out = ohif, page, out

    def photograph(self, judged: Mapping[str, Judged]) -> None:
        """Keep opening, mask, report and text of each drawing, as far as they are there."""
        for name in ("both", "right", "normal", "first"):
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
            self._open(results["text.dcm"])
            self._double_click(results["text.dcm"])
            self._ohif.wait_for_text(first_text(results["text.dcm"]))
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
    films["second"].SeriesNumber, films["second"].ViewPosition = 2, "AP"
    return films


def _print_series(judged: Mapping[str, Judged]) -> None:
    for name, one in judged.items():
        for result in sorted(one.results.values(), key=lambda ds: int(ds.SeriesNumber)):
            print(f"| {name} | {result.Modality} | {result.SeriesNumber} | {result.SeriesDescription} |")


if __name__ == "__main__":
    main()
