"""
The node's receiver beside DCMTK's `storescp --fork` and Orthanc: a full disk, and kills while they receive.

`benchmarks.receiver_attacks` compares what attacks do to them.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from benchmarks.faults.measured import Measured
from benchmarks.receiver_attacks import STORESCP, orthanc_command
from tests.node.processes import ROOT, wait_for
from tests.support.builders import synthetic_chest
from tests.support.ports import free_ports
from tests.system.faults.senders import Sender, associate, image_files
from tests.system.faults.small_disk import small_disk

_SENDERS, _IMAGES, _KILLS = 4, 60, 6
_DISK_MEGABYTES, _TRIES = 64, 8
HEADER_ALONE = "header"
Command = Callable[[Path, int], list[str]]


def measure(share: float, seed: int) -> Measured:
    """Ask all three the same; only what the node does must hold. *share* changes nothing."""
    found = {}
    for name, command in COMMANDS.items():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            disk = _with_full_disk(Path(folder), command)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            killed = _killed(Path(folder), command, seed)
        found[name] = {"full_disk": disk, "killed": killed}
    ours = found["ours"]
    said = "; ".join(
        f"{name}: full disk {one['full_disk']['statuses']}, the association "
        f"{'lived' if one['full_disk']['lived'] else 'ended'}; {one['killed']['kills']} kills: "
        f"{one['killed']['half_written']} files half-written at the final place right after them, "
        f"{one['killed']['missing']} of {_IMAGES} missing in the end"
        for name, one in found.items()
    )
    return Measured(
        holds=ours["full_disk"]["lived"]
        and set(ours["full_disk"]["statuses"]) == {"0xA700"}
        and not ours["killed"]["half_written"]
        and not ours["killed"]["missing"],
        said=said,
        figures=found,
    )


def _ours(folder: Path, port: int) -> list[str]:
    (page,) = free_ports(1)
    config = folder / "config.toml"
    sections = (
        f'[receive]\nport = {port}\n[page]\nport = {page}\n[store]\nfolder = "ours"\nmin_free_megabytes = 0\n'
    )
    config.write_text(sections)
    return [sys.executable, "-m", "node.cli", "receive", "--config", str(config)]


def _storescp(folder: Path, port: int) -> list[str]:
    return [STORESCP, "--fork", "-aet", "SGSEG", "+xa", "-od", str(folder), str(port)]


COMMANDS: dict[str, Command] = {
    "ours": _ours,
    "storescp --fork": _storescp,
    "Orthanc": orthanc_command,
}


@contextmanager
def _running(command: Command, folder: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    process = _start(command, folder, port)
    try:
        yield process
    finally:
        _kill(process)


def _start(command: Command, folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start it until it answers: its port may still be taken for a moment."""
    while True:
        process = subprocess.Popen(
            command(folder, port),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        if wait_for(lambda p=process: _echoes(port) or p.poll() is not None, what="the receiver"):
            if process.poll() is None:
                return process
            time.sleep(0.5)


def _echoes(port: int) -> bool:
    association = associate(port)
    if not association.is_established:
        return False
    association.release()
    return True


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill it with all its forks, also those whose parent has ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _with_full_disk(folder: Path, command: Command) -> dict[str, Any]:
    """Fill the disk to the last byte, send on one association, make room, and send again."""
    (port,) = free_ports(1)
    (folder / "sent").mkdir()
    files = [*image_files(_TRIES, folder / "sent", pixels=synthetic_chest((1000, 1000))).values()]
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "store", megabytes=_DISK_MEGABYTES))
        stack.enter_context(_running(command, disk.folder, port))
        association = associate(port)
        with disk.filled():
            time.sleep(1.0)
            statuses = [_status(association, path) for path in files]
        lives = association.is_established and association.send_c_echo().get("Status") == 0
        again = associate(port)
        after = Counter(_status(again, path) for path in files)
        return {"statuses": dict(Counter(statuses)), "lived": lives, "after": dict(after)}


def _status(association: Any, path: Path) -> str:
    if not association.is_established:
        return "no association"
    status = association.send_c_store(path).get("Status")
    return "no answer" if status is None else f"0x{status:04X}"


def _killed(folder: Path, command: Command, seed: int) -> dict[str, Any]:
    """Kill it at random while four senders send, each image until it is taken."""
    chance, (port,) = random.Random(seed), free_ports(1)
    (folder / "sent").mkdir()
    (folder / "store").mkdir()
    files = image_files(_IMAGES, folder / "sent", pixels=synthetic_chest((1000, 1000)))
    process, half_written, kills = _start(command, folder / "store", port), 0, 0
    senders = [Sender(port, [*files.values()][number::_SENDERS]) for number in range(_SENDERS)]
    for sender in senders:
        sender.thread.start()
    for number in range(_KILLS):
        wait_for(lambda n=number: _taken(senders) >= n * _IMAGES / (_KILLS + 1), what="answers", seconds=300)
        time.sleep(chance.uniform(0, 0.1))
        kills += _taken(senders) < _IMAGES
        _kill(process)
        half_written += len(_not_whole(folder / "store"))
        process = _start(command, folder / "store", port)
    wait_for(lambda: _taken(senders) == _IMAGES, what="all to be taken", seconds=300)
    _kill(process)
    missing = set(files) - _stored(folder / "store")
    return {
        "kills": kills,
        "tries": sum(sender.tries for sender in senders),
        "half_written": half_written,
        "missing": len(missing),
    }


def _taken(senders: Sequence[Sender]) -> int:
    return sum(len(sender.taken) for sender in senders)


def _images(store: Path) -> Iterator[Path]:
    """Give the files at their final place, of all three: what is in `incoming` is on its way."""
    for path in store.rglob("*"):
        if path.is_file() and "incoming" not in path.parts:
            with path.open("rb") as file:
                if file.read(132)[128:] == b"DICM" or path.name.startswith("DX."):
                    yield path


def _stored(store: Path) -> set[str]:
    return {uid for path in _images(store) if (uid := _uid_of(path))}


def _not_whole(store: Path) -> list[Path]:
    return [path for path in _images(store) if not _uid_of(path)]


def _uid_of(path: Path) -> str:
    """Give the SOP Instance UID of a whole image; "" where it is not whole."""
    try:
        ds = dcmread(path)
        if "PixelData" not in ds:  # Orthanc keeps headers in files of their own
            return HEADER_ALONE
        return str(ds.SOPInstanceUID) if len(ds.PixelData) == 2 * ds.Rows * ds.Columns else ""
    except (InvalidDicomError, EOFError, AttributeError):
        return ""
