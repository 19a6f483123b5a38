"""What the judging processes share: each side of it. See `node.judge.messages.Share`."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Protocol

from node.judge.messages import Need, Returned, Share
from sgseg_dicom.errors import UnsupportedObject


class Shares(Protocol):
    """What a judging process asks the worker for."""

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Be the only one that uses the model."""
        ...

    def require_room(self, pixels: int) -> None:
        """Wait until an image of so many pixels may be decoded."""
        ...


class Unshared:
    """For a process that shares with nobody."""

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Use the model."""
        yield

    def require_room(self, pixels: int) -> None:
        """Decode."""


class AskedShares:
    """
    Asks the worker over *connection*; for one thread.

    Args:
        connection: to the worker.
        max_megapixels: the largest image that is decoded.
    """

    def __init__(self, connection: "Connection[Any, Any]", *, max_megapixels: int) -> None:
        self._connection = connection
        self._max_megapixels = max_megapixels

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Be the only one that uses the model."""
        self._wait_for(Share.INFERENCE, 1)
        try:
            yield
        finally:
            self._connection.send(Returned(Share.INFERENCE))

    def require_room(self, pixels: int) -> None:
        """
        Wait until an image of so many pixels may be decoded.

        Raises:
            UnsupportedObject: larger than [queue] max_megapixels.
        """
        megapixels = -(-pixels // 1_000_000)
        if megapixels > self._max_megapixels:
            raise UnsupportedObject(
                f"the image has {megapixels} million pixels, and at most {self._max_megapixels} are judged: no "
                "radiograph of one chest is so large; if this one is, raise [queue] max_megapixels"
            )
        self._wait_for(Share.MEGAPIXELS, megapixels)

    def _wait_for(self, share: Share, amount: int) -> None:
        self._connection.send(Need(share=share, amount=amount))
        self._connection.recv()


class SharedOut:
    """
    The worker's side: how much there is of each share, and how much is taken.

    Who asks first is served first. Small needs would else keep a large one waiting for ever.

    Args:
        totals: how much there is. Whoever needs all of it waits until nothing is taken.
    """

    def __init__(self, totals: Mapping[Share, int]) -> None:
        self._free = dict(totals)
        self._waiting: Mapping[Share, deque[object]] = {share: deque() for share in totals}
        self._changed = threading.Condition()

    def take(self, need: Need) -> None:
        """Wait until so much of a share is free, and take it."""
        turn, waiting = object(), self._waiting[need.share]
        with self._changed:
            waiting.append(turn)
            self._changed.wait_for(lambda: waiting[0] is turn and self._free[need.share] >= need.amount)
            waiting.popleft()
            self._free[need.share] -= need.amount
            self._changed.notify_all()  # the next in the line may fit too

    def give_back(self, need: Need) -> None:
        """Let others have it."""
        with self._changed:
            self._free[need.share] += need.amount
            self._changed.notify_all()
