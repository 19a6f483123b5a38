"""
`python -m benchmarks.receiver_attacks`: what a real sender waits while the receiver is attacked, and what it costs.

Each attack meets a receiver of its own. It comes from 127.0.0.1; a real C-STORE then comes from there and from
127.0.0.2. A sender that is turned away tries again, as real ones do. Nothing is sent to another machine.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, socket
from typing import Annotated

import psutil
import typer
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

from tests.node.raw_peer import (
    DX,
    VERIFICATION,
    echo_message,
    p_data,
    play,
    read_pdu,
    request,
    store_command,
    store_message,
)
from tests.support.builders import chest_radiograph, synthetic_chest
from tests.support.ports import free_ports
from tests.system.faults.footprints import tree
from tests.system.orthanc import ORTHANC

_LONGEST = 70.0
"""Seconds that a sender tries."""

_BOMB_BYTES = 200 << 20
"""Less than the largest image that is compared: what has more is not even inflated to its end."""

_PIECE = 16_000
STORESCP = "/usr/bin/storescp"
DEFLATED_CONTEXTS = {1: (VERIFICATION, ["1.2.840.10008.1.2"]), 3: (DX, [str(DeflatedExplicitVRLittleEndian)])}
Attack = Callable[["Receiver", ExitStack], None]


@dataclass
class Receiver:
    """A running receiver: its port, its process, its log, and the most memory that it had, in bytes."""

    port: int
    process: psutil.Process
    log: Path
    most: int = 0

    def watch(self, stop: threading.Event) -> None:
        """Note the most memory until *stop* is set."""
        while not stop.wait(0.01):
            self.most = max(self.most, _memory(self.process))


def _memory(process: psutil.Process) -> int:
    try:
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0


def probes(receiver: Receiver, stack: ExitStack) -> None:
    """33 connections that send 18 bytes and close."""
    for _ in range(33):
        with _to(receiver) as one:
            one.sendall(b"GET / HTTP/1.0\r\n\r\n")


def malformed(receiver: Receiver, stack: ExitStack) -> None:
    """500 malformed requests."""
    for number in range(500):
        with _to(receiver) as one:
            one.sendall(request(calling=b"BAD%03d".ljust(16) % number)[:-4] + b"\xffRAW")


def dripping(receiver: Receiver, stack: ExitStack) -> None:
    """40 connections that drip one byte a second."""
    _drip(stack, [stack.enter_context(_to(receiver)) for _ in range(40)], request())


def idle(receiver: Receiver, stack: ExitStack) -> None:
    """32 idle associations."""
    for _ in range(32):
        _associated(receiver, stack)


def silent(receiver: Receiver, stack: ExitStack) -> None:
    """200 silent sockets."""
    with suppress(TimeoutError):  # Orthanc takes no more at some point
        for _ in range(200):
            stack.enter_context(_to(receiver))


def dripping_data(receiver: Receiver, stack: ExitStack) -> None:
    """32 associations that drip the data of one image, one byte a second."""
    peers = [_associated(receiver, stack) for _ in range(32)]
    for peer in peers:
        peer.sendall(store_message(generate_uid(), b"")[0])
    _drip(stack, peers, p_data(3, bytes(60_000), is_command=False, last=False))


def endless_command(receiver: Receiver, stack: ExitStack) -> None:
    """1.1 GB of one command set."""
    peer = _associated(receiver, stack)
    piece = p_data(3, bytes(1 << 19), is_command=True, last=False)
    with suppress(OSError):
        for _ in range(2100):
            peer.sendall(piece)


def unread_echoes(receiver: Receiver, stack: ExitStack) -> None:
    """200,000 requests whose answers nobody reads."""
    peer = _associated(receiver, stack)
    peer.settimeout(3)
    with suppress(OSError):
        for _ in range(200):
            peer.sendall(b"".join(echo_message()) * 1000)


def deflated_bomb(receiver: Receiver, stack: ExitStack) -> None:
    """200 kB deflated that are 200 MB, twice under one UID."""
    uid = generate_uid()
    answers = [
        play(receiver.port, request(DEFLATED_CONTEXTS), store_message(uid, _bomb(uid, last)), answers=1)[1]
        for last in (b"a", b"b")
    ]
    print(f"answered {answers}; ", end="")


def nested_bomb(receiver: Receiver, stack: ExitStack) -> None:
    """Two data sets of a million empty items each, under one UID."""
    uid, answers = generate_uid(), []
    for name in (b"AB", b"CD"):
        bomb = _image(uid) + b"\xe1\x7f\x10\x00LO\x02\0" + name
        bomb += b"\xe1\x7f\x01\x10SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0" * (1 << 20)
        pieces = [bomb[at : at + (1 << 19)] for at in range(0, len(bomb), 1 << 19)]
        sent = [p_data(3, store_command(uid, {}), is_command=True)]
        sent += [p_data(3, piece, is_command=False, last=False) for piece in pieces]
        sent += [p_data(3, b"\xfe\xff\xdd\xe0\0\0\0\0", is_command=False)]
        answers.append(play(receiver.port, request(), sent, answers=1)[1])
    print(f"answered {answers}; ", end="")


ATTACKS: Sequence[Attack] = (
    probes,
    malformed,
    dripping,
    idle,
    silent,
    dripping_data,
    endless_command,
    unread_echoes,
    deflated_bomb,
    nested_bomb,
)


def main(
    root: Annotated[Path, typer.Option(help="Folder of the node's code.")] = Path(),
    storescp: Annotated[bool, typer.Option(help="Attack DCMTK's storescp --fork instead.")] = False,
    orthanc: Annotated[bool, typer.Option(help="Attack Orthanc instead.")] = False,
    only: Annotated[str, typer.Option(help="Names of attacks, with commas between; all where empty.")] = "",
) -> None:
    """Measure and print; no file stays."""
    wanted = only.split(",") if only else [attack.__name__ for attack in ATTACKS]
    peer = "storescp" if storescp else "orthanc" if orthanc else ""
    print(peer or root.resolve(), "load", os.getloadavg()[0])
    print(
        "| attack | same address, s | another address, s | refused tries | echo, s | memory, MB | log lines |"
    )
    print("|---|---|---|---|---|---|---|")
    for attack in ATTACKS:
        if attack.__name__ in wanted:
            figures = _figures(attack, root.resolve(), peer)
            print("|", " | ".join(((attack.__doc__ or "").rstrip("."), *figures)), "|", flush=True)


def _figures(attack: Attack, root: Path, peer: str) -> Iterator[str]:
    with _running(root, peer) as receiver, ExitStack() as stack:
        _store(receiver, "127.0.0.3")
        attack(receiver, stack)
        waits, refused = [], 0
        for source in ("127.0.0.1", "127.0.0.2"):
            seconds, tries = _until_stored(receiver, source)
            waits.append(f"{seconds:.2f}")
            refused += tries
        start = time.monotonic()
        said = _tried(lambda: play(receiver.port, request(), echo_message(), answers=1))
        echo = f"{time.monotonic() - start:.2f}" if "0x0000" in said else f"none: {said}"
        time.sleep(1.0)
        lines = len(receiver.log.read_bytes().splitlines())
        return iter((*waits, str(refused), echo, f"{receiver.most / 1e6:.0f}", str(lines)))


def _until_stored(receiver: Receiver, source: str) -> tuple[float, int]:
    """Give the seconds until an image was stored, and how often that was refused before."""
    start = time.monotonic()
    for tries in itertools.count():
        said = _tried(lambda: _store(receiver, source))
        if "0x0000" in said or time.monotonic() - start > _LONGEST:
            return time.monotonic() - start, tries
        time.sleep(0.1)
    raise AssertionError


def _tried(action: Callable[[], list[str]]) -> list[str]:
    try:
        return action()
    except OSError as error:
        return [type(error).__name__]


def _store(receiver: Receiver, source: str) -> list[str]:
    uid = generate_uid()
    data = _image(uid)
    sent = [p_data(3, store_command(uid, {}), is_command=True)]
    # In pieces that everybody takes: storescp ends the association at a PDU of more than 16,384 bytes.
    sent += [
        p_data(3, data[at : at + _PIECE], is_command=False, last=False) for at in range(0, len(data), _PIECE)
    ]
    sent.append(p_data(3, b"", is_command=False))
    return play(receiver.port, request(), sent, answers=1, source=source)


@contextmanager
def _running(root: Path, peer: str) -> Iterator[Receiver]:
    with tempfile.TemporaryDirectory() as name:
        folder, (port, page) = Path(name), free_ports(2)
        log = folder / "log"
        command = _command(peer, folder, port, page)
        with log.open("wb") as errors:
            process = subprocess.Popen(
                command,
                cwd=root,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "TCP_NODELAY": "1"},
            )
        receiver, stop = Receiver(port, psutil.Process(process.pid), log), threading.Event()
        watcher = threading.Thread(target=receiver.watch, args=(stop,))
        watcher.start()
        try:
            while not _accepts(port):
                time.sleep(0.1)
            yield receiver
        finally:
            stop.set()
            watcher.join()
            for one in tree(process.pid):
                with suppress(psutil.NoSuchProcess):  # a fork of storescp ends by itself
                    one.kill()
            process.wait()


def _command(peer: str, folder: Path, port: int, page: int) -> list[str]:
    """Give what runs the node's receiver, or the *peer* that is compared with it."""
    if peer == "storescp":
        return [STORESCP, "--fork", "-aet", "SGSEG", "+xa", "-od", str(folder), str(port)]
    if peer == "orthanc":
        return orthanc_command(folder, port)
    config = folder / "config.toml"
    config.write_text(f'[receive]\nport = {port}\n[page]\nport = {page}\n[store]\nfolder = "store"\n')
    return [sys.executable, "-m", "node.cli", "receive", "--config", str(config)]


def orthanc_command(folder: Path, port: int) -> list[str]:
    """Give what runs an Orthanc that stores in *folder* what anybody sends; nothing but DICOM is open."""
    settings = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "DicomAet": "SGSEG",
        "DicomPort": port,
        "HttpServerEnabled": False,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowEcho": True,
        "OverwriteInstances": False,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    return [str(ORTHANC), str(folder / "orthanc.json")]


def _accepts(port: int) -> bool:
    try:
        create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _to(receiver: Receiver) -> socket:
    return create_connection(("127.0.0.1", receiver.port), timeout=20)


def _associated(receiver: Receiver, stack: ExitStack) -> socket:
    peer = stack.enter_context(_to(receiver))
    peer.sendall(request())
    read_pdu(peer)
    return peer


def _drip(stack: ExitStack, peers: Sequence[socket], data: bytes) -> None:
    """Send each of *peers* one byte a second until *stack* closes."""
    stop = threading.Event()

    def run() -> None:
        for byte in data:
            for peer in peers:
                try:
                    peer.send(bytes((byte,)))
                except OSError:
                    continue
            if stop.wait(1.0):
                return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    stack.callback(thread.join)
    stack.callback(stop.set)
    time.sleep(1.0)


def _image(uid: str) -> bytes:
    ds = chest_radiograph(pixels=synthetic_chest((96, 80)), SOPInstanceUID=uid)
    encoded = DicomBytesIO()
    encoded.is_little_endian, encoded.is_implicit_VR = True, False
    write_dataset(encoded, ds)
    return encoded.getvalue()


def _bomb(uid: str, last: bytes) -> bytes:
    """Deflate an image with 200 MB of zeros, and one other byte, behind it."""
    packer = zlib.compressobj(9, wbits=-15)
    head = b"\xe1\x7f\x10\x10OB\0\0" + (_BOMB_BYTES + 2).to_bytes(4, "little")
    parts = [packer.compress(_image(uid)), packer.compress(head)]
    parts += [packer.compress(bytes(1 << 20)) for _ in range(_BOMB_BYTES >> 20)]
    return b"".join((*parts, packer.compress(last.ljust(2, b"\0")), packer.flush()))


if __name__ == "__main__":
    typer.run(main)
