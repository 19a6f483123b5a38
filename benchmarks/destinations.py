"""
Measure what sick destinations cost a healthy one, and how soon a delivery begins. A stub stands in for the model.

    python -m benchmarks.destinations [--images 50] [--every 0.1]

It prints one line of JSON for each measurement: seconds from the kept results until the healthy destination has all
objects of an image, alone and beside three sick ones (one is silent after the connection, one refuses connections,
one takes 5 s for an object), and seconds from the kept results until the first object, on an idle node.
"""

import argparse
import json
import math
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pynetdicom import evt

from tests.node.conftest import settings
from tests.node.processes import STAND_IN, Archive, half, receive_here, wait_for
from tests.support.ports import free_ports

_SECONDS_AN_OBJECT = 5.0


class Healthy(Archive):
    """An archive that writes down when the objects of each study came."""

    def __init__(self) -> None:
        self.came: dict[str, list[float]] = {}
        super().__init__()

    def _on_store(self, event: evt.Event) -> int:
        now, status = time.time(), super()._on_store(event)
        self.came.setdefault(str(dcmread(BytesIO(self.got[-1])).StudyInstanceUID), []).append(now)
        return status


class Slow(Archive):
    """An archive that needs its time for each object."""

    def _on_store(self, event: evt.Event) -> int:
        time.sleep(_SECONDS_AN_OBJECT)
        return super()._on_store(event)


@contextmanager
def sick() -> Iterator[list[dict[str, object]]]:
    """Run a silent destination and a slow one; give their settings, and those of one that refuses connections."""
    slow = Slow()
    (nobody,) = free_ports(1)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as silent:
        ports = {"a silent": silent.getsockname()[1], "b refusing": nobody, "c slow": slow.port}
        yield [
            {"name": name, "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": port}
            for name, port in ports.items()
        ]
    slow.close()


def measure(images: int, every: float, others: Sequence[Mapping[str, object]]) -> dict[str, list[float]]:
    """Take *images* through a node; give the seconds until the first and the last object of each came."""
    healthy = Healthy()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, ExitStack() as stack:
        stack.callback(healthy.close)
        folder = Path(name)
        config = settings(
            folder,
            destination=[*others, healthy.destination.model_dump()],
            queue={"jobs_at_once": 8},
            deliver={"backoff_seconds": 5.0, "connect_seconds": 5.0, "answer_seconds": 30.0},
        )
        stack.enter_context(half(STAND_IN, config, folder))
        studies = [f"1.2.3.{number}" for number in range(images)]
        for number, study in enumerate(studies):
            threading.Event().wait(every)
            receive_here(config, seed=number, StudyInstanceUID=study, PatientID=study)
        wait_for(
            lambda: sum(len(times) == 2 for times in healthy.came.values()) == images,
            what="all at the healthy destination",
            seconds=600,
        )
        kept = {path.name.split("/")[0]: path for path in (folder / "store" / "results").iterdir()}
        result: dict[str, list[float]] = {"first": [], "last": []}
        for path in kept.values():
            outcome = json.loads((path / "outcome.json").read_bytes())
            study = str(dcmread(path / "sr.dcm").StudyInstanceUID)
            result["first"].append(min(healthy.came[study]) - outcome["finished_at"])
            result["last"].append(max(healthy.came[study]) - outcome["finished_at"])
    return result


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that at least this *share* of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def show(name: str, values: Sequence[float]) -> None:
    """Print median, 99th percentile and maximum in seconds."""
    figures = {"median": percentile(values, 0.5), "p99": percentile(values, 0.99), "max": max(values)}
    print(json.dumps({"measured": name, **{key: round(value, 4) for key, value in figures.items()}}))


def main() -> None:
    """Run the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--every", type=float, default=0.1)
    given = parser.parse_args()
    show("idle, first object", measure(12, 1.0, [])["first"])
    show("alone, last object", measure(given.images, given.every, [])["last"])
    with sick() as others:
        show("beside three sick ones, last object", measure(given.images, given.every, others)["last"])


if __name__ == "__main__":
    main()
