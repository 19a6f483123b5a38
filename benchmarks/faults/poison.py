"""Twenty good images, and among them one that hangs, one that crashes and one that takes all memory."""

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pynetdicom import evt

from benchmarks.faults.measured import Measured
from node.jobs import Entry
from tests.node.conftest import settings
from tests.node.processes import RECEIVE, STAND_IN_PROCESSES, Archive, half, settled, wait_for
from tests.system.faults.footprints import most_memory
from tests.system.faults.senders import Sender, image_files

_GOOD = 20
_POISONS = {5: "hanging", 10: "deadly", 15: "hungry"}
"""Before which good image each is sent."""

_IMAGE_SECONDS = 5.0
_AIM_SECONDS = 10.0
_MOST_BYTES = {"receiver": 250_000_000, "worker": 3_000_000_000}


class Timed(Archive):
    """An archive that writes down when the last object of each study came."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}
        super().__init__()

    def _on_store(self, event: evt.Event) -> int:
        now, status = time.monotonic(), super()._on_store(event)
        self.came[str(dcmread(BytesIO(self.got[-1])).StudyInstanceUID)] = now
        return status


def measure(share: float, seed: int) -> Measured:
    """Send them once without the three and once with them. *share* and *seed* change nothing."""
    alone, memory_alone, _ = _waits({})
    beside, memory, ends = _waits(_POISONS)
    late = max(beside) - max(alone)
    small = all(memory[half] < most for half, most in _MOST_BYTES.items())
    return Measured(
        holds=late < _AIM_SECONDS and small,
        said=f"the latest of {_GOOD} good images waited {max(alone):.1f} s without the three and {max(beside):.1f} s "
        f"beside them: {late:.1f} s later (aim: {_AIM_SECONDS:.0f} s); the three ended as "
        f"{[end.state for end in ends]}; most memory: receiver {memory['receiver'] / 1e6:.0f} MB, worker "
        f"{memory['worker'] / 1e6:.0f} MB ({memory_alone['worker'] / 1e6:.0f} MB without them)",
        figures={
            "latest_alone": round(max(alone), 2),
            "latest_beside": round(max(beside), 2),
            "late": round(late, 2),
            "ends": [(end.state, end.outcome.reason if end.outcome else "") for end in ends],
            "most_bytes": memory,
            "most_bytes_alone": memory_alone,
        },
    )


def _waits(poisons: dict[int, str]) -> tuple[list[float], dict[str, int], Sequence[Entry]]:
    """Give the seconds from each good image's answer to its last result, the most memory, and the poisons' ends."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, ExitStack() as stack:
        folder, archive = Path(name), Timed()
        stack.callback(archive.close)
        config = settings(
            folder, archive, queue={"image_seconds": _IMAGE_SECONDS, "jobs_at_once": 8, "retry_seconds": 2.0}
        )
        receiver = stack.enter_context(half(RECEIVE, config, folder))
        worker = stack.enter_context(half(STAND_IN_PROCESSES, config, folder))
        good, bad = _images(folder, poisons)
        order = [
            file
            for number, file in enumerate(good.values())
            for file in (*bad.get(number, {}).values(), file)
        ]
        sender = Sender(receiver.ready["port"], order)
        pids = {"receiver": receiver.process.pid, "worker": worker.process.pid}
        with most_memory(**pids) as most:
            sender.thread.start()
            wait_for(lambda: len(archive.came) == _GOOD, what="the good images", seconds=300)
            sender.thread.join()
            wanted = [uid for files in bad.values() for uid in files]
            ends = settled(config, *wanted) if wanted else []
        studies = {
            uid: str(dcmread(file, stop_before_pixels=True).StudyInstanceUID) for uid, file in good.items()
        }
        waits = [archive.came[study] - sender.answered_at[uid] for uid, study in studies.items()]
        return waits, most.bytes, ends


def _images(folder: Path, poisons: dict[int, str]) -> tuple[dict[str, Path], dict[int, dict[str, Path]]]:
    (folder / "good").mkdir()
    good = image_files(_GOOD, folder / "good", ImageComments="busy")
    bad = {}
    for number, wish in poisons.items():
        (folder / wish).mkdir()
        bad[number] = image_files(1, folder / wish, ImageComments=wish)
    return good, bad
