"""The whole node: a sender and an archive in this process, and the processes of a node between them."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseServer
from tempfile import TemporaryDirectory

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    SegmentationStorage,
    generate_uid,
)
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.transport import ThreadedAssociationServer

from node.demo.demo import radiograph_file
from tests.system.faults.footprints import footprint
from tests.system.running_node import RunningNode, running_node, write_config

_PATIENCE_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Figures:
    """
    The measured figures; times in seconds.

    Attributes:
        images: number sent one by one, and again in a burst.
        megabytes: size of one image.
        cold_start: from the start of `sgseg-node start` until it says where to send.
        waits: of each image sent alone, from its C-STORE response until the archive has all its results.
        per_second: images of the burst by its time, from the first byte to the last result.
        with_seg: number of images of both rounds with a SEG.
        receiver_bytes: resident after the burst.
        worker_bytes: proportional set size of the worker with its processes, after the burst.
    """

    images: int
    megabytes: float
    cold_start: float
    waits: Sequence[float]
    per_second: float
    with_seg: int
    receiver_bytes: int
    worker_bytes: int

    def wait(self, percentile: float) -> float:
        """Give a percentile of *waits*."""
        return float(np.percentile(self.waits, percentile))


class Archive:
    """A destination that only records when it received which result."""

    def __init__(self) -> None:
        self._stored_at: dict[tuple[str, str], float] = {}  # by SOP class and image
        self._news = threading.Condition()
        self._ae = AE("ARCHIVE")
        for sop_class in (SegmentationStorage, Comprehensive3DSRStorage, BasicTextSRStorage):
            self._ae.add_supported_context(sop_class)

    @contextmanager
    def listening(self) -> Iterator[dict[str, str | int]]:
        """Listen, and give this destination's entry in the node's configuration."""
        server = self._ae.make_server(
            ("127.0.0.1", 0),
            evt_handlers=[(evt.EVT_C_STORE, self._on_store)],
            server_class=ThreadedAssociationServer,
        )
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        port = server.server_address[1]
        yield {
            "name": "archive",
            "ae_title": "ARCHIVE",
            "host": "127.0.0.1",
            "port": port,
            "segmentation": "binary",  # for every image, so that the UIDs are known beforehand
        }
        BaseServer.shutdown(server)
        server.server_close()

    def complete_at(self, images: Iterable[str]) -> float:
        """Wait until the text of every one of *images*, which is sent last, is here; give the time."""
        reports = {(BasicTextSRStorage, image) for image in images}
        with self._news:
            if not self._news.wait_for(lambda: self._stored_at.keys() >= reports, _PATIENCE_SECONDS):
                raise TimeoutError("the node sent no results; run `sgseg-node demo` to see why")
            return max(self._stored_at[report] for report in reports)

    def has_seg(self, image: str) -> bool:
        """Say whether a SEG for the image with this SOP Instance UID came."""
        return (SegmentationStorage, image) in self._stored_at

    def _on_store(self, event: evt.Event) -> int:
        now, result = time.perf_counter(), event.dataset
        series = (
            result.ReferencedSeriesSequence
            if result.SOPClassUID == SegmentationStorage
            else [one for study in _evidence_of(result) for one in study.ReferencedSeriesSequence]
        )
        named = (
            "ReferencedInstanceSequence"
            if result.SOPClassUID == SegmentationStorage
            else "ReferencedSOPSequence"
        )
        with self._news:
            for one in series:
                for instance in one[named]:
                    self._stored_at[result.SOPClassUID, str(instance.ReferencedSOPInstanceUID)] = now
            self._news.notify_all()
        return 0x0000


def _evidence_of(report: Dataset) -> Sequence[Dataset]:
    """Give the studies that a report names; the image is in that of its own procedure."""
    return report.get("CurrentRequestedProcedureEvidenceSequence", ())


def measure(images: int) -> Figures:
    """Start a node, send it *images* one by one, then as many at once, and stop it."""
    archive = Archive()
    with TemporaryDirectory(prefix="sgseg-benchmark-") as name, archive.listening() as destination:
        folder = Path(name)
        first, second = copies(folder, images), copies(folder, images)
        began = time.perf_counter()
        with running_node(write_config(folder, [destination])) as node:
            cold_start = time.perf_counter() - began
            with connected(node) as association:
                waits = [one_by_one(association, *image, archive) for image in first.items()]
                per_second = burst(association, second, archive)
            return Figures(
                images=images,
                megabytes=next(iter(first.values())).stat().st_size / 1e6,
                cold_start=cold_start,
                waits=waits,
                per_second=per_second,
                with_seg=sum(map(archive.has_seg, [*first, *second])),
                receiver_bytes=node.half("receive").memory_info().rss,
                worker_bytes=footprint(node.half("work").pid).bytes,
            )


def one_by_one(association: Association, uid: str, file: Path, archive: Archive) -> float:
    """Send one image and wait for its results; give the time from the response to the results."""
    store(association, file)
    accepted = time.perf_counter()
    return archive.complete_at([uid]) - accepted


def burst(association: Association, files: dict[str, Path], archive: Archive) -> float:
    """Send all images as fast as the node takes them; give images per second."""
    began = time.perf_counter()
    for file in files.values():
        store(association, file)
    return len(files) / (archive.complete_at(files) - began)


def store(association: Association, file: Path) -> None:
    """Send *file* by C-STORE."""
    status = association.send_c_store(file).get("Status")
    if status != 0:
        raise RuntimeError(f"the node answered a C-STORE with {status}")


def copies(folder: Path, count: int) -> dict[str, Path]:
    """Write the chest radiograph of pydicom-data as *count* new instances; give their files by SOP Instance UID."""
    ds, files = dcmread(radiograph_file()), {}
    for _ in range(count):
        uid = generate_uid()
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid
        ds.StudyInstanceUID = generate_uid()
        files[str(uid)] = folder / f"{uid}.dcm"
        ds.save_as(files[str(uid)])
    return files


@contextmanager
def connected(node: RunningNode) -> Iterator[Association]:
    """Open an association as a modality does."""
    context = build_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
    association = AE("MODALITY").associate("127.0.0.1", node.port, [context], ae_title="SGSEG")
    if not association.is_established:
        raise RuntimeError("the node takes no association")
    yield association
    association.release()
