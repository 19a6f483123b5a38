"""OHIF at a study, driven as a reader opens it: by the address of a study or of a series, or by a double click."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass(frozen=True)
class Overlay:
    """
    A segmentation over its image.

    Attributes:
        labels: the number of its segment at every pixel of the image (Rows, Columns), in the viewer's memory.
        names: of the segments, by number.
        colours: on the screen at the centre of every pixel (Rows, Columns, 3).
    """

    labels: NDArray[np.uint8]
    names: dict[int, str]
    colours: NDArray[np.uint8]


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

    def open_study(self, study: str) -> None:
        """Open a study as a stock OHIF does: its address names no series, and OHIF asks before it draws."""
        self.page.goto(f"{self._origin}/viewer?StudyInstanceUIDs={study}&asks")

    def double_click(self, series_description: str) -> None:
        """Open a series of the list as a reader does."""
        self.page.get_by_text(series_description, exact=True).first.dblclick()

    def is_overlaid(self) -> bool:
        """Whether a segmentation lies over an image."""
        return bool(self.page.evaluate("Boolean(probe.overlaid())"))

    def overlay(self) -> Overlay:
        """Give the only segmentation, once it is on the screen."""
        seen = self._once("probe.overlay()")
        (segmentation,) = seen["segmentations"]
        (plane,) = segmentation["planes"]
        shape = (plane["rows"], plane["columns"])
        return Overlay(
            labels=np.array(plane["labels"], dtype=np.uint8).reshape(shape),
            names=dict(segmentation["names"]),
            colours=np.array(seen["colours"], dtype=np.uint8).reshape(*shape, 3),
        )

    def outlines(self, count: int) -> tuple[dict[str, NDArray[np.float64]], dict[str, list[str]], list[str]]:
        """
        Give outlines once *count* are on the screen.

        Points (column, row) and what is measured by tracking UID, and all words beside.
        """
        seen = self._once("count => probe.outlines(count)", count)
        points = {uid: np.array(points, np.float64) for uid, points in seen["points"].items()}
        return points, seen["values"], seen["words"]

    def wait_for_text(self, text: str) -> None:
        """Wait until *text*, with one blank between its words, can be read."""
        self._once("text => probe.text().includes(text)", text)

    def text(self) -> str:
        """Give all words on the page, with one blank between them."""
        return str(self.page.evaluate("probe.text()"))

    def _once(self, expression: str, argument: object = None) -> Any:
        return self.page.wait_for_function(expression, arg=argument, polling=500).json_value()
