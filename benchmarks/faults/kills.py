"""300 images and 30 kills at random."""

import tempfile
from pathlib import Path

from benchmarks.faults.measured import Measured
from tests.system.faults.halves import OwnProcesses
from tests.system.faults.killing import SENDERS, kill_at_random

_IMAGES, _KILLS = 300, 30


def measure(share: float, seed: int) -> Measured:
    """Kill receiver, worker and judging processes while four senders send."""
    images, kills = max(8, round(_IMAGES * share)), max(1, round(_KILLS * share))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        end = kill_at_random(Path(name), images=images, kills=kills, seed=seed, halves=OwnProcesses)
    bad = {"lost": end.lost, "doubled": end.doubled, "half_written": end.half_written}
    idle = sum(not count for count in end.in_work)
    return Measured(
        holds=not any(bad.values()) and not idle and sum(end.kills.values()) == kills,
        said=f"{images} images of {SENDERS} senders in {end.seconds:.0f} s, {end.tries - images} sent again; kills: "
        f"{dict(end.kills)}, {idle} of them while nothing was queued or in work; lost {len(end.lost)}, doubled "
        f"{len(end.doubled)}, half-written {len(end.half_written)}",
        figures={
            "images": images,
            "kills": dict(end.kills),
            "in_work_at_kills": end.in_work,
            "sent_again": end.tries - images,
            "seconds": round(end.seconds, 1),
            **bad,
        },
    )
