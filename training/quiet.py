"""What a command says on standard error: our own messages, and of the libraries only what is wrong."""

import logging
import sys
import warnings
from typing import TextIO

_TALKATIVE = ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero")
"""Both say what hardware is used, and advertise. The loggers above them get their level back at their import."""


class _Stderr(logging.StreamHandler[TextIO]):
    """Write to what standard error is now. A test, or a notebook, may have replaced it since."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def set_up_messages() -> None:
    """Show the messages of `training`; silence advice, versions and progress of lightning."""
    own = logging.getLogger("training")
    own.setLevel(logging.INFO)
    if not any(isinstance(handler, _Stderr) for handler in own.handlers):
        own.addHandler(_Stderr())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # About its own internals, data loaders without workers, and folders that a resumed run has to have.
    warnings.filterwarnings("ignore", module="lightning")
