"""A sender that costs next to nothing: its images are encoded once, and go out as bytes over plain sockets."""

import re
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import generate_uid

from tests.node.raw_peer import RELEASE, connect, p_data, read_pdu, request, status_of, store_command
from tests.support.builders import chest_radiograph

_MOST = 1 << 17
"""Bytes of a P-DATA-TF that we send where the receiver takes more: those of DCMTK."""

_MAXIMUM_LENGTH = 0x51
_ASKED = request()


@dataclass(frozen=True, kw_only=True)
class Image:
    """
    An image that gets another UID each time it is sent.

    Attributes:
        uid: its SOP Instance UID, of 64 characters.
        data: its data set, Explicit VR Little Endian.
    """

    uid: str
    data: bytes


def image_of(megabytes: float) -> Image:
    """Make a radiograph of this size whose pixels are noise."""
    uid = _new_uid()
    rows = max(16, int((megabytes * 1e6 / 2) ** 0.5))
    pixels = np.random.default_rng(0).integers(0, 4096, (rows, rows), dtype=np.uint16)
    encoded = DicomBytesIO()
    encoded.is_little_endian, encoded.is_implicit_VR = True, False
    write_dataset(encoded, chest_radiograph(pixels=pixels, SOPInstanceUID=uid))
    return Image(uid=uid, data=encoded.getvalue())


class Association:
    """An open association over which an image can be sent again and again."""

    def __init__(self, port: int, image: Image) -> None:
        self.connection = connect(port, 30)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sendall(_ASKED)
        kind, accepted = read_pdu(self.connection)
        if kind != 2:
            raise ConnectionError(f"no association: PDU {kind}")
        most = min(_most_of(accepted), _MOST)
        self._message = bytearray(_message(image, most))
        self._places = _places_of(image.uid.encode(), self._message)

    def store(self) -> int:
        """Send the image under a UID that it never had; give the status of the answer."""
        uid = _new_uid().encode()
        for place in self._places:
            self._message[place : place + len(uid)] = uid
        self.connection.sendall(self._message)
        kind, body = read_pdu(self.connection)
        if kind != 4:
            raise ConnectionError(f"no answer: PDU {kind}")
        return status_of(body)

    def release(self) -> None:
        """End it, and wait until the receiver has."""
        self.connection.sendall(RELEASE)
        read_pdu(self.connection)
        self.connection.close()


def objects_a_second(port: int, image: Image, *, associations: int, objects: int) -> float:
    """Send *objects* over some associations at a time; give how many were answered in a second."""
    opened = [Association(port, image) for _ in range(associations)]
    shares = [objects // associations] * associations
    failed: list[str] = []

    def send(association: Association, count: int) -> None:
        for _ in range(count):
            if status := association.store():
                failed.append(f"{status:04X}")

    threads = [
        threading.Thread(target=send, args=(one, count)) for one, count in zip(opened, shares, strict=True)
    ]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    for one in opened:
        one.release()
    if failed:
        raise ConnectionError(f"answered {failed[0]}")
    return sum(shares) / seconds


def opening_seconds(port: int, times: int) -> Sequence[float]:
    """Open and release associations; give the seconds from the connection until each was accepted."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        with connect(port, 30) as connection:
            connection.sendall(_ASKED)
            if read_pdu(connection)[0] != 2:
                raise ConnectionError("no association")
            seconds.append(time.perf_counter() - start)
            connection.sendall(RELEASE)
            read_pdu(connection)
    return seconds


def _new_uid() -> str:
    """Give a UID of always the same length."""
    return generate_uid()[:60].rstrip(".").ljust(60, "1")


def _places_of(uid: bytes, message: bytes | bytearray) -> Sequence[int]:
    return [found.start() for found in re.finditer(re.escape(uid), message)]


def _message(image: Image, most: int) -> bytes:
    size = most - 6
    pieces = [image.data[at : at + size] for at in range(0, len(image.data), size)]
    parts = [p_data(3, store_command(image.uid, {}), is_command=True)]
    parts += [p_data(3, piece, is_command=False, last=False) for piece in pieces[:-1]]
    return b"".join((*parts, p_data(3, pieces[-1], is_command=False)))


def _most_of(accepted: bytes) -> int:
    """Give the largest PDU that the receiver takes; 0 in its answer means any (PS3.8 D.1)."""
    at = accepted.rindex(struct.pack(">BBH", _MAXIMUM_LENGTH, 0, 4)) + 4
    return int.from_bytes(accepted[at : at + 4], "big") or _MOST
