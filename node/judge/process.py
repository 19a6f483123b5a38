"""One judging process, as the worker sees it: it can be asked, watched and killed."""

import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from node.failures import ImageTooSlow
from node.judge.child import Load, serve
from node.judge.child_process import ChildProcess
from node.judge.messages import (
    Answer,
    AskAlgorithm,
    AskEarlier,
    AskModel,
    Entered,
    NeedRoom,
    Order,
    Request,
)
from node.judge.model import START_SECONDS, Model
from node.judge.room import Room
from sgseg_dicom.comparison.films import Earlier, no_earlier
from sgseg_dicom.config import Config
from sgseg_dicom.errors import SgsegError

_TICK_SECONDS = 0.05
"""How often the memory is looked at while an image is in work."""
_PAGE = 4096


class JudgingProcess:
    """
    Starts a process. `wait_ready` must be called once, then `ask` from one thread at a time.

    Args:
        context: how processes are made.
        config: the settings.
        load: gives the pipeline, in the process.
        room: megapixels for all processes.
        model: for all processes.
    """

    def __init__(
        self, context: ForkServerContext, config: Config, load: Load, *, room: Room, model: Model
    ) -> None:
        self._process = ChildProcess(context, serve, config.to_json(), load)
        self._seconds = config.queue.image_seconds
        self._room, self._model = room, model
        self._bytes_at_start: int | None = None
        self._bytes_before: int | None = None
        self.stage = "start"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """False after it has ended."""
        return self._process.is_alive

    @property
    def is_able(self) -> bool:
        """True while it takes orders, or works at one."""
        return self._bytes_at_start is not None and self.is_alive

    @property
    def taken_bytes(self) -> int:
        """How much memory the image in work has taken; 0 without one."""
        return self._grown_since(self._bytes_before)

    @property
    def kept_bytes(self) -> int:
        """How much memory it has kept of all images since it was ready."""
        return self._grown_since(self._bytes_at_start)

    def _grown_since(self, before: int | None) -> int:
        return 0 if before is None else max(0, _anonymous_bytes(self.pid) - before)

    def wait_ready(self) -> None:
        """
        Wait until it takes orders.

        Raises:
            SgsegError: the pipeline cannot be loaded; as `load` raised it.
            ProcessDied: it ended before.
            ImageTooSlow: it hung.
        """
        answer = self._answer(seconds=START_SECONDS)
        if answer.error is not None:
            raise answer.error
        self._bytes_at_start = _anonymous_bytes(self.pid)

    def ask(
        self,
        order: Order,
        *,
        watch: "Callable[[JudgingProcess], None]",
        earlier: Earlier = no_earlier,
    ) -> Answer[Any]:
        """
        Give an order and wait for its answer. What it waits for room or the model does not count as its time.

        Args:
            order: what to do.
            watch: called again and again during that time; it may raise, and the process must be killed then.
            earlier: gives the films of the same patient that were judged before.

        Raises:
            ImageTooSlow: no answer within [queue] image_seconds. The process must be killed.
            ProcessDied: it ended.
        """
        self._bytes_before = _anonymous_bytes(self.pid)
        try:
            self._process.send(order)
            return self._answer(seconds=self._seconds, watch=watch, earlier=earlier)
        finally:
            self._bytes_before = None

    def _answer(
        self,
        *,
        seconds: float,
        watch: "Callable[[JudgingProcess], None]" = lambda process: None,
        earlier: Earlier = no_earlier,
    ) -> Answer[Any]:
        taken: list[int] = []
        deadline = time.monotonic() + seconds
        try:
            while True:
                if self._process.has_answered(within=_TICK_SECONDS):
                    message = self._process.receive(doing=f"in stage '{self.stage}'")
                    if isinstance(message, Answer):
                        return message
                    if isinstance(message, Entered):
                        self.stage = message.stage
                    else:
                        began = time.monotonic()
                        self._process.send(self._served(message, taken, earlier))
                        deadline += time.monotonic() - began
                watch(self)
                if time.monotonic() > deadline:
                    raise ImageTooSlow(
                        f"no answer within {seconds:g} s ([queue] image_seconds), in stage '{self.stage}'; its "
                        "process was killed"
                    )
        finally:
            for megapixels in taken:
                self._room.give_back(megapixels)

    def _served(self, request: Request, taken: list[int], earlier: Earlier) -> Answer[Any]:
        """Do what the process waits for."""
        try:
            match request:
                case NeedRoom(megapixels):
                    self._room.take(megapixels)
                    taken.append(megapixels)
                    return Answer()
                case AskModel(model_input):
                    return Answer(value=self._model(model_input))
                case AskAlgorithm():
                    return Answer(value=self._model.algorithm)
                case AskEarlier(film):
                    return Answer(value=earlier(film))
        except SgsegError as error:
            return Answer(error=error)

    def kill(self) -> None:
        """End it now, whatever it does."""
        self._process.kill()


def _anonymous_bytes(pid: int) -> int:
    """Give the memory of a process that no file backs, in bytes (proc(5), statm); 0 after its end."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text("ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE
