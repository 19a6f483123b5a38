"""The public data of this project, their owners and licences: one table, which model card and README follow."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSource:
    """
    One collection of data.

    Attributes:
        key: short name, as in the names of films and in manifests.
        title: as its owners name it.
        owners: whom to credit.
        gives: what it gives to this project.
        licence: as its owners state it.
    """

    key: str
    title: str
    owners: str
    gives: str
    licence: str


CREDITS = (
    DataSource(
        key="qata",
        title="QaTa-COV19",
        owners="Degerli et al.; captions: Li et al. (LViT), Ye et al. (SGSeg)",
        gives="infected films with masks and captions",
        licence="not clarified for a use beyond research: ask its owners",
    ),
    DataSource(
        key="radiography-database",
        title="COVID-19 Radiography Database, class Normal",
        owners="Chowdhury et al., Rahman et al.; the films: RSNA, NIH and Kermany",
        gives="normal films of adults; children, measured on",
        licence="not clarified for a use beyond research: ask its owners",
    ),
    DataSource(
        key="nih",
        title="NIH ChestX-ray14",
        owners="Wang et al., NIH Clinical Center",
        gives="films without finding and with pneumonia, labels text-mined",
        licence="free for research, with credit",
    ),
    DataSource(
        key="jsrt",
        title="JSRT database",
        owners="Shiraishi et al., Japanese Society of Radiological Technology",
        gives="normal films, films with a nodule, outlines of the lungs",
        licence="free for research, with credit",
    ),
    DataSource(
        key="cohen",
        title="COVID-19 image data collection",
        owners="Cohen et al., and the source of each film",
        gives="COVID-19, other pneumonias, laterals",
        licence="by film: CC BY, CC BY-NC-SA, CC BY-NC-ND (never learned from), or not stated",
    ),
    DataSource(
        key="v7",
        title="COVID-19 X-ray dataset, lung outlines",
        owners="V7 Labs",
        gives="outlines of the lungs of films of Cohen's and of children",
        licence="CC BY 4.0",
    ),
    DataSource(
        key="kermany",
        title="Chest X-ray images (pneumonia), Guangzhou",
        owners="Kermany et al.",
        gives="children of one to five",
        licence="CC BY 4.0",
    ),
    DataSource(
        key="brixia",
        title="Brixia scores of Cohen's films",
        owners="Signoroni et al., Borghesi and Maroldi",
        gives="scores of two radiologists by zone",
        licence="CC BY-NC-SA 4.0",
    ),
)
"""Licences as the README of this project's data states them."""

SHIPPED_SOURCES = frozenset({"qata", "radiography-database"})
"""What weights learned from whose manifest does not list its `sources`."""

RESEARCH_ONLY = (
    "Films whose licence forbids derivatives (ND) are measured on, never learned from. Films for non-commercial use "
    "(NC), for research, or without a stated licence may be learned from: weights that did are for research."
)
"""The rule of `training.data.licences`, in words for readers."""


def credits_table(learned: Collection[str] = SHIPPED_SOURCES) -> str:
    """Write the table as Markdown; *learned* are the keys of the sources that the weights learned from."""
    lines = ["| data | credit | what it gives | used for | licence |", "|---|---|---|---|---|"]
    for one in CREDITS:
        use = "learning and measuring" if one.key in learned else "measuring alone"
        lines.append(f"| {one.title} | {one.owners} | {one.gives} | {use} | {one.licence} |")
    return "\n".join(lines)
