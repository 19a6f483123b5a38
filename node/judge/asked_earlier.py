"""How a judging process learns of earlier films: the worker knows them, and decides which count."""

from multiprocessing.connection import Connection
from typing import Any

from node.judge.messages import AskEarlier
from sgseg_dicom.comparison.films import EarlierFilm, Film
from sgseg_dicom.errors import SgsegError


class AskedEarlier:
    """
    Asks the worker over *connection*; for one thread.

    Args:
        connection: to the worker.
    """

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection

    def __call__(self, film: Film) -> tuple[EarlierFilm, ...]:
        """
        Give the films of the same patient that were judged before, the oldest first.

        Raises:
            StorageUnavailable: the worker cannot read them now. The image is tried again.
        """
        self._connection.send(AskEarlier(film))
        answer: tuple[EarlierFilm, ...] | SgsegError = self._connection.recv()
        if isinstance(answer, SgsegError):
            raise answer
        return answer
