"""Modalities that send images until each is taken, as real ones do."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from tests.support.builders import SOP_CLASSES, chest_radiograph, write

_PAUSE_SECONDS = 0.1


def image_files(count: int, folder: Path, **keywords: object) -> dict[str, Path]:
    """Write images of a study each; give their files by SOP Instance UID."""
    files, whole = {}, chest_radiograph(**keywords)
    for number in range(count):
        whole.SOPInstanceUID, whole.StudyInstanceUID = generate_uid(), generate_uid()
        files[str(whole.SOPInstanceUID)] = write(whole, folder / f"{number}.dcm")
    return files


def associate(port: int) -> Association:
    """Ask the receiver for an association; it may not be established."""
    contexts = [build_context(Verification), build_context(SOP_CLASSES["DX"], ExplicitVRLittleEndian)]
    peer = AE("TESTER")
    peer.acse_timeout = peer.dimse_timeout = peer.network_timeout = 30
    peer.connection_timeout = 5
    return peer.associate("127.0.0.1", port, contexts, ae_title="SGSEG")


class Sender:
    """
    Sends images one after the other, each until it was answered with success.

    Args:
        port: of the receiver.
        files: what to send.
        may_send: says whether to send the next one now.
    """

    def __init__(
        self, port: int, files: Sequence[Path], *, may_send: Callable[[], bool] = lambda: True
    ) -> None:
        self.taken: list[str] = []
        self.answered_at: dict[str, float] = {}
        self.tries = 0
        self._port, self._files, self._may_send = port, files, may_send
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def stop(self) -> None:
        """Send nothing more."""
        self._stop.set()
        self.thread.join(60)

    def _run(self) -> None:
        association = None
        for file in self._files:
            uid = str(dcmread(file, stop_before_pixels=True).SOPInstanceUID)
            while not self._may_send() and not self._stop.is_set():
                time.sleep(0.02)
            while not self._stop.is_set():
                self.tries += 1
                if association is None or not association.is_established:
                    association = associate(self._port)
                if association.is_established and _is_taken(association, file):
                    self.answered_at[uid] = time.monotonic()
                    self.taken.append(uid)
                    break
                self._stop.wait(_PAUSE_SECONDS)
        if association is not None and association.is_established:
            association.release()


def _is_taken(association: Association, file: Path) -> bool:
    with suppress(RuntimeError):  # the association has just ended
        return association.send_c_store(file).get("Status") == 0
    return False
