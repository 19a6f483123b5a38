"""
Make the pictures of the documents again: `python -m docs.pictures`. It needs what the tests of the viewers need.

Nothing is painted by hand. Drawn chests (`docs.drawn_chest`) go to a real node, which judges them with the weights
that ship (without the image-level head, see `_weights_for_drawings`), and delivers to Orthanc. The pictures are the
node's own secondary captures, made smaller, and what dwv shows of the delivered objects. `OTHER_WAYS` are drawn
without a node. It takes about three minutes. What OHIF shows: `docs.viewer_pictures`.

`docs/images/demo.png` is not among them: it is `demo-out/overlay.png`, which `make demo` writes, made smaller too.
"""

import argparse
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread

from docs.drawn_chest import Opacity, drawn_chest
from sgseg_dicom.comparison.repeatability import REPEATABILITY_FILE
from sgseg_dicom.language.language import load_language
from sgseg_dicom.picture_style import PictureStyle
from sgseg_dicom.python_model import load_model
from sgseg_dicom.release.heads_manifest import (
    HEADS_MANIFEST_FILE,
    identity_of_heads,
    joint_identity,
    read_heads_manifest,
)
from sgseg_dicom.release.manifest import packaged_weights, read_manifest
from sgseg_dicom.results.overlay import LUNG_COLOURS
from sgseg_dicom.results.secondary_capture import draw_picture
from sgseg_dicom.zones import Laterality
from tests.node.processes import wait_for
from tests.support.builders import chest_radiograph, write
from tests.support.ports import free_ports
from tests.system.network import own_network
from tests.system.orthanc import DCMTK, Orthanc, running_orthanc
from tests.system.running_node import RunningNode, running_node
from tests.viewers.browser import PATIENCE_SECONDS, open_page, served_viewers
from tests.viewers.colours import painted

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = Path(__file__).parent / "images"

# The second cloud of "doubt" is faint: the model marks it, and its sentence leaves it out. In "missed" the cloud
# lies high in a lung: the model does not find it.
RIGHT_CLOUD, LEFT_CLOUD = Opacity(0.25, 0.62, 0.17, 0.14, 0.34), Opacity(0.78, 0.60, 0.14, 0.16, 0.36)
DRAWINGS: Mapping[str, tuple[Opacity, ...]] = {
    "finding": (RIGHT_CLOUD, LEFT_CLOUD),
    "no-finding": (),
    "doubt": (RIGHT_CLOUD, Opacity(0.78, 0.60, 0.12, 0.14, 0.30)),
    "missed": (Opacity(0.27, 0.32, 0.15, 0.12, 0.34),),
    "one-sided": (LEFT_CLOUD,),
}
OTHER_WAYS: Mapping[str, tuple[str, PictureStyle]] = {
    "finding-de": ("de", "outline"),
    "finding-es": ("es", "outline"),
    "finding-fill": ("en", "fill"),
}
"""More pictures of "finding", by the language and the style of each."""

_LEAST_PIXELS = 2000
"""Of a region on the screen: a button in its colour has fewer."""
_STILL_MILLISECONDS = 5000
"""OHIF draws a segmentation before its own buttons are right."""


@dataclass(frozen=True)
class Judged:
    """
    One drawing after its way through the node.

    Attributes:
        image: the radiograph that was sent.
        results: what the node made of it, by file name.
    """

    image: Dataset
    results: Mapping[str, Dataset]


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(prefix="sgseg-pictures-") as folder,
        stage(Path(folder), _drawn()) as (judged, archive, page),
    ):
        for name in DRAWINGS:
            capture = judged[name].results["secondary-capture.dcm"].pixel_array
            save_smaller(Image.fromarray(capture), out / f"{name}.png")
        _draw_in_other_ways(Path(folder), out)
        _show(judged, archive, page, out)


@contextmanager
def stage(
    folder: Path, images: Mapping[str, Dataset], later: Mapping[str, Dataset] = MappingProxyType({})
) -> "Iterator[tuple[Mapping[str, Judged], Orthanc, Page]]":
    """Judge every image, the *later* ones after the others; deliver, and open a browser beside the archive."""
    for part in ("sent", "sent-later", "archive/db", "browser"):
        (folder / part).mkdir(parents=True)
    with ExitStack() as stack:
        network = stack.enter_context(own_network())
        archive = stack.enter_context(running_orthanc(network, folder / "archive" / "db"))
        node = stack.enter_context(running_node(_write_config(folder, archive), network))
        judged = _judge(images, folder / "sent", node, archive)
        if later:
            judged |= _judge(later, folder / "sent-later", node, archive)
        yield judged, archive, stack.enter_context(open_page(network, folder / "browser"))


def _draw_in_other_ways(folder: Path, out: Path) -> None:
    """Draw "finding" as nodes with other settings under [report] would."""
    with load_model(folder / "weights", device="cpu", language="en") as model:
        radiograph = model.pipeline.read(folder / "sent" / "finding.dcm")
        finding = model.pipeline.judge(radiograph)
        algorithm = model.pipeline.segmenter.algorithm
        for name, (language, style) in OTHER_WAYS.items():
            picture = draw_picture(
                radiograph, finding, algorithm=algorithm, language=load_language(language), style=style
            )
            save_smaller(picture, out / f"{name}.png")


def save_smaller(picture: Image.Image, path: Path) -> None:
    """Save at two thirds of the size: a document shows no more, and the repository keeps every version."""
    size = (picture.width * 2 // 3, picture.height * 2 // 3)
    picture.resize(size, Image.Resampling.LANCZOS).save(path, optimize=True)


def _weights_for_drawings(folder: Path) -> Path:
    """
    Copy the weights that ship to *folder*, with an image-level head that takes no finding away.

    It tells films apart, and a drawing is none: with it every drawing would be without a finding. The head changes no
    share, so the repeatability that was measured with the weights that ship holds.
    """
    shutil.copytree(packaged_weights(), folder)
    heads = read_heads_manifest(folder).model_copy(update={"infection": -100.0})
    heads = heads.model_copy(update={"identity": identity_of_heads(heads)})
    (folder / HEADS_MANIFEST_FILE).write_text(heads.model_dump_json(), "utf-8")
    repeatability = json.loads((folder / REPEATABILITY_FILE).read_text("utf-8"))
    repeatability["weights"] = joint_identity(read_manifest(folder), heads)
    (folder / REPEATABILITY_FILE).write_text(json.dumps(repeatability), "utf-8")
    return folder


def _write_config(folder: Path, archive: Orthanc) -> Path:
    """Let the node deliver every kind of result to *archive*, and say of what it was not judged."""
    receive, page = free_ports(2)
    text = f"""
[receive]
port = {receive}
[page]
port = {page}
[store]
folder = "store"
min_free_megabytes = 0
[model]
weights = "{_weights_for_drawings(folder / "weights")}"
[[destination]]
name = "archive"
ae_title = "{archive.title}"
host = "127.0.0.1"
port = {archive.port}
results = ["seg", "sr", "text", "secondary-capture"]
not_judged = true
"""
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return file


def _drawn() -> dict[str, Dataset]:
    spacing = {"ImagerPixelSpacing": [0.4, 0.4]}
    return {
        name: chest_radiograph(pixels=drawn_chest(opacities), seed=seed, **spacing)
        for seed, (name, opacities) in enumerate(DRAWINGS.items())
    }


def _judge(
    images: Mapping[str, Dataset], folder: Path, node: RunningNode, archive: Orthanc
) -> dict[str, Judged]:
    """Send *images* to the node and to the archive, and wait until all results are delivered."""
    for name, image in images.items():
        write(image, folder / f"{name}.dcm")
    for title, port in ((node.config.receive.ae_title, node.port), (archive.title, archive.port)):
        # The archive takes objects of the node's AE title alone.
        sent = node.network.run(
            DCMTK / "storescu", "-R", "-aet", "SGSEG", "-aec", title, "127.0.0.1", port, "+sd", folder
        )
        if sent.returncode:
            raise RuntimeError(sent.stderr)
    entries = node.settled(*(str(image.SOPInstanceUID) for image in images.values()))
    kept = node.config.store.folder / "results"
    return {
        name: Judged(image, {path.name: dcmread(path) for path in (kept / entry.job.id).glob("*.dcm")})
        for (name, image), entry in zip(images.items(), entries, strict=True)
    }


def _show(judged: Mapping[str, Judged], archive: Orthanc, page: "Page", out: Path) -> None:
    """Take a picture of dwv at "finding"."""
    finding = judged["finding"]
    with served_viewers(archive) as origin:
        page.goto(f"{origin}/dwv.html")
        page.wait_for_function("() => window.show")
        page.evaluate(
            "([image, seg]) => show(image, seg)", [_wado(finding.image), _wado(finding.results["seg.dcm"])]
        )
        page.screenshot(path=out / "dwv.png")


def once_painted(page: "Page", sides: Sequence[Laterality] = tuple(Laterality)) -> bytes:
    """Give a picture of the page once the regions of these lungs are on it, and it no longer changes."""
    last = b""

    def still() -> bytes | None:
        nonlocal last
        before, last = last, page.screenshot()
        page.wait_for_timeout(_STILL_MILLISECONDS)
        colours = np.asarray(Image.open(BytesIO(last)).convert("RGB"))
        areas = [
            np.count_nonzero(painted(colours, colour)) for colour in (LUNG_COLOURS[side] for side in sides)
        ]
        return last if last == before and min(areas) > _LEAST_PIXELS else None

    return bytes(wait_for(still, what="the regions", seconds=PATIENCE_SECONDS))


def first_text(report: Dataset) -> str:
    return " ".join(next(item.value for item in report.iterall() if item.keyword == "TextValue").split())


def _wado(ds: Dataset) -> str:
    """Give the address of an instance (WADO-URI, PS3.18 9)."""
    return (
        f"/wado?requestType=WADO&studyUID={ds.StudyInstanceUID}&seriesUID={ds.SeriesInstanceUID}"
        f"&objectUID={ds.SOPInstanceUID}&contentType=application/dicom"
    )


if __name__ == "__main__":
    main()
