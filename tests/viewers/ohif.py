"""OHIF at a study, driven as a reader opens it: by its address and no click."""

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

    def outlines(self, count: int) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
        """Give points (column, row) by tracking UID and the words beside, once *count* are on the screen."""
        seen = self._once("count => probe.outlines(count)", count)
        return {uid: np.array(points, np.float64) for uid, points in seen["points"].items()}, seen["words"]

    def wait_for_text(self, text: str) -> None:
        """Wait until *text*, with one blank between its words, can be read."""
        self._once("text => probe.text().includes(text)", text)

    def text(self) -> str:
        """Give all words on the page, with one blank between them."""
        return str(self.page.evaluate("probe.text()"))

    def _once(self, expression: str, argument: object = None) -> Any:
        return self.page.wait_for_function(expression, arg=argument, polling=500).json_value()
