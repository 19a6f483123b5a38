"""An object that is too large, has no end, or does not fit on the disk: it is answered, and harms nobody else."""

import contextlib
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.receive import scp
from node.receive.listener import Listener, listen
from node.store.store import Store
from sgseg_dicom.config import Receive
from sgseg_dicom.errors import StorageUnavailable
from tests.node.raw_peer import (
    DX,
    IMPLICIT,
    command,
    connected,
    p_data,
    play,
    read_pdu,
    request,
    store_command,
    store_message,
    ui,
)
from tests.node.receive.conftest import Kept
from tests.node.receive.test_odd_peers import image

PIECE = bytes(1 << 20)
Build = Callable[..., Listener]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.prepare()
    return store


@contextmanager
def listening(store: Store, kept: Kept | None = None, **settings: object) -> Iterator[Listener]:
    """A receiver on a store; objects have at most 4 MB."""
    given = {"port": 0, "max_object_megabytes": 4, **settings}
    listener = listen(
        Receive.model_validate(given, context={"free_ports": True}),
        contexts=scp.contexts(),
        handlers=scp.handlers(store, kept or Kept()),
        spool=store.incoming,
        require_space=store.require_space,
    )
    yield listener
    listener.stop(patience_seconds=0)


def large_message(megabytes: int, *, ends: bool = True) -> list[bytes]:
    """Encode a C-STORE whose data set has so many megabytes of anything."""
    uid, _ = image()
    pieces = [
        p_data(3, PIECE, is_command=False, last=ends and number == megabytes)
        for number in range(1, megabytes + 1)
    ]
    return [p_data(3, store_command(uid, {}), is_command=True), *pieces]


def is_ended(peer: socket.socket, messages: Iterable[bytes]) -> bool:
    """Send until the connection is closed; False where all was taken."""
    try:
        for message in messages:
            peer.sendall(message)
    except OSError:
        return True
    return False


def is_empty(folder: Path) -> bool:
    """Wait until nothing is in a folder."""
    until = time.monotonic() + 20
    while list(folder.iterdir()):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_an_object_that_is_too_large_is_answered_and_the_next_goes_through(store: Store) -> None:
    """A700 as soon as it has come, the reason in the log, nothing on disk; the association lives on."""
    uid, data = image()
    kept = Kept()
    messages = [*large_message(6), *store_message(uid, data, message=2)]
    with listening(store, kept) as listener, capture_logs() as lines:
        answers = play(listener.port, request(), messages, answers=2)

    assert answers == ["accepted", "0xA700", "0x0000", "released"]
    assert [job.sop_instance_uid for job in kept.jobs] == [uid]
    assert is_empty(store.incoming)
    (line,) = [line for line in lines if line["event"] == "store_failed"]
    assert "more than 4 MB" in line["detail"]
    assert "max_object_megabytes" in line["detail"]


def test_an_object_without_end_is_broken_off(store: Store) -> None:
    """What is thrown away has a limit, too: then the association ends, and nothing stays."""
    with listening(store) as listener, capture_logs() as lines, connected(listener.port) as peer:
        peer.sendall(request())
        read_pdu(peer)
        assert is_ended(peer, large_message(200, ends=False))
        assert is_empty(store.incoming)

    assert any("far longer than [receive] max_object_megabytes" in line.get("detail", "") for line in lines)


@pytest.mark.parametrize(
    "field",
    [None, b"\x20\0", b"\x30\0"],
    ids=["no command", "a query", "an echo"],
)
def test_data_that_no_image_belongs_to_are_not_gathered(store: Store, field: bytes | None) -> None:
    """They would stay in memory: a data set without a command, or after one that has none here."""
    asked = command({0x0002: ui(DX), 0x0100: field, 0x0110: b"\1\0", 0x0800: b"\1\0"})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with listening(store) as listener, connected(listener.port) as peer:
        peer.sendall(request())
        read_pdu(peer)
        if field:
            peer.sendall(p_data(3, asked, is_command=True))
        assert is_ended(peer, [p_data(3, PIECE, is_command=False, last=False)] * 300)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_the_space_is_watched_during_a_transfer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the watermark in the middle of an object: A700, and what came of it is deleted."""
    asked = iter([None, StorageUnavailable("100 MB are free")])

    def require_space() -> None:
        if (answer := next(asked, None)) is not None:
            raise answer

    monkeypatch.setattr(store, "require_space", require_space)
    with listening(store, max_object_megabytes=100) as listener, capture_logs() as lines:
        answers = play(listener.port, request(), large_message(40), answers=1)

    assert answers == ["accepted", "0xA700", "released"]
    assert is_empty(store.incoming)
    assert [line["detail"] for line in lines if line["event"] == "store_failed"] == ["100 MB are free"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mount is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no byte."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while file.write(PIECE):
            pass
    assert shutil.disk_usage(folder).free == 0


def make_read_only(folder: Path) -> None:
    """As a file system makes itself after an error."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


@pytest.mark.parametrize(
    "spoil", [fill, make_read_only, lambda folder: None], ids=["full", "read-only", "small"]
)
def test_a_disk_that_takes_nothing_is_out_of_resources(
    small_disk: Path, spoil: Callable[[Path], None]
) -> None:
    """At the start of a transfer or in its middle: A700 each time, on an association that lives."""
    store = Store(small_disk / "store")
    store.prepare()
    with listening(store, max_object_megabytes=100) as listener:
        spoil(small_disk)
        messages = [*large_message(12), *large_message(12)]
        answers = play(listener.port, request(), messages, answers=2)

    assert answers == ["accepted", "0xA700", "0xA700", "released"]
    assert is_empty(store.incoming)


def test_contexts_of_other_syntaxes_are_taken_as_before(store: Store) -> None:
    """What the limits look at is not touched: an image in two fragments is stored whole."""
    uid, data = image()
    contexts = {3: (DX, ["1.2.840.10008.1.2.1"]), 5: (DX, [IMPLICIT])}
    messages = [
        p_data(3, store_command(uid, {}), is_command=True),
        p_data(3, data[:1000], is_command=False, last=False),
        p_data(3, data[1000:], is_command=False),
    ]
    kept = Kept()
    with listening(store, kept) as listener:
        play(listener.port, request(contexts), messages, answers=1)

    (job,) = kept.jobs
    assert (store.folder / job.file).read_bytes().endswith(data)
