"""OHIF at a study, driven as a reader opens it: by its address and no click."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

if TYPE_CHECKING:
    from playwright.sync_api import Page


class Ohif:
    """One page of OHIF."""

    def __init__(self, page: "Page", origin: str) -> None:
        self.page, self._origin = page, origin

    def open(self, result: Dataset) -> None:
        """Open the study with the series of a result in front."""
        view = (
            f"StudyInstanceUIDs={result.StudyInstanceUID}&initialSeriesInstanceUID={result.SeriesInstanceUID}"
        )
        self.page.goto(f"{self._origin}/viewer?{view}")

    def wait_for_overlay(self) -> None:
        """Wait until a segmentation is on the screen."""
        self.page.wait_for_function("probe.isDrawn()", polling=300)

    def segments(self) -> tuple[NDArray[np.uint8], dict[int, str]]:
        """Give the labels of its only segmentation, (rows, columns), and the names of the segments."""
        (segmentation,) = self.page.evaluate("probe.segmentations()")
        (plane,) = segmentation["planes"]
        labels = np.array(plane["labels"], dtype=np.uint8).reshape(plane["rows"], plane["columns"])
        return labels, dict(segmentation["names"])

    def colours(self, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Give the colour (rows, columns, 3) on the screen at the centre of every pixel of the image."""
        return np.array(self.page.evaluate("probe.colours()"), dtype=np.uint8).reshape(*shape, 3)

    def wait_for_outlines(self, count: int) -> None:
        """Wait until so many outlines are on the screen."""
        self.page.locator("svg.svg-layer polyline").nth(count - 1).wait_for(state="attached")

    def captions(self) -> str:
        """Give what stands beside the outlines on the screen."""
        return " ".join(self.page.locator("svg.svg-layer tspan").all_text_contents())

    def outlines(self) -> dict[str, NDArray[np.float64]]:
        """Give the points (column, row) of each outline in memory by its tracking UID."""
        outlines = self.page.evaluate("probe.outlines()")
        return {uid: np.array(points, dtype=np.float64) for uid, points in outlines.items()}

    def wait_for_text(self, text: str) -> None:
        """Wait until *text* can be read."""
        self.page.get_by_text(text, exact=True).wait_for()

    def text(self) -> str:
        """Give all words on the page, with one blank between them."""
        return " ".join(self.page.inner_text("body").split())
