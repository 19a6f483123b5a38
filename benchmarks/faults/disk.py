"""A disk of 96 MB that somebody else fills while images come: down to the watermark, and to the last byte."""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.faults.measured import Measured
from tests.node.conftest import settings
from tests.node.processes import Archive, settled, wait_for
from tests.support.builders import synthetic_chest
from tests.system.faults.senders import associate, image_files
from tests.system.faults.small_disk import small_disk
from tests.system.faults.whole_node import WholeNode, whole_node

_MEGABYTES, _WATERMARK = 96, 32
_IMAGES, _BEFORE = 16, 4
_TRIES_WHILE_FULL = 8
_OUT_OF_RESOURCES = 0xA700


def measure(share: float, seed: int) -> Measured:
    """Fill it twice. *share* and *seed* change nothing."""
    ways = {"to the watermark": (_WATERMARK, (_WATERMARK - 1) << 20), "to the last byte": (0, 0)}
    found = {name: _filled(watermark, leave) for name, (watermark, leave) in ways.items()}
    said = "; ".join(
        f"{name}: {one['statuses_while_full']} while full, the association {'lived' if one['lived'] else 'ended'}, "
        f"/ready {one['ready_while_full']}, ready again {one['ready_after']} s after there was room, "
        f"{one['delivered']} of {_IMAGES} delivered in the end"
        for name, one in found.items()
    )
    return Measured(holds=all(map(_is_good, found.values())), said=said, figures=found)


def _is_good(one: Mapping[str, Any]) -> bool:
    refused = {status for status in one["statuses_while_full"] if status != "0x0000"}
    return (
        refused == {f"0x{_OUT_OF_RESOURCES:04X}"}
        and bool(one["lived"])
        and one["ready_while_full"] == 503
        and one["delivered"] == _IMAGES
        and not one["incoming"]
    )


def _filled(watermark: int, leave_bytes: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, ExitStack() as stack:
        folder, archive = Path(name), Archive()
        stack.callback(archive.close)
        (folder / "sent").mkdir()
        files = image_files(_IMAGES, folder / "sent", pixels=synthetic_chest((1000, 1000)))
        disk = stack.enter_context(small_disk(folder / "store", megabytes=_MEGABYTES))
        store = {"min_free_megabytes": watermark, "make_room_below_megabytes": 0}
        node = stack.enter_context(whole_node(settings(folder, archive, store=store), folder))
        association = associate(node.port)
        before = [_status(association, path) for path in [*files.values()][:_BEFORE]]
        with disk.filled(leave_bytes=leave_bytes):
            while_full = [_status(association, _next(files, number)) for number in range(_TRIES_WHILE_FULL)]
            echo = association.send_c_echo().get("Status") if association.is_established else None
            code = _ready_code(node)
        seconds = _seconds_until_ready(node)
        after = _all_taken(association, [*files.values()])
        entries = settled(node.config, *files)
        return {
            "statuses_before": before,
            "statuses_while_full": while_full,
            "lived": echo == 0 and after,
            "ready_while_full": code,
            "ready_after": seconds,
            "delivered": sum(entry.deliveries[0].state == "delivered" for entry in entries),
            "incoming": os.listdir(folder / "store" / "incoming"),
        }


def _next(files: Mapping[str, Path], number: int) -> Path:
    """Give one that was not sent before the disk was full."""
    rest = [*files.values()][_BEFORE:]
    return rest[number % len(rest)]


def _status(association: Any, path: Path) -> str:
    if not association.is_established:
        return "no association"
    status = association.send_c_store(path).get("Status")
    return "no answer" if status is None else f"0x{status:04X}"


def _ready_code(node: WholeNode) -> int:
    """Ask until it is not ready; its answer is a second old at most."""
    deadline = time.monotonic() + 5
    while (code := node.ready()[0]) == 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    return code


def _seconds_until_ready(node: WholeNode) -> float:
    began = time.monotonic()
    wait_for(lambda: node.ready()[0] == 200, what="/ready", seconds=120)
    return round(time.monotonic() - began, 1)


def _all_taken(association: Any, paths: Sequence[Path]) -> bool:
    """Send all again, those too that were taken before, on the same association."""
    return all(_status(association, path) == "0x0000" for path in paths)
