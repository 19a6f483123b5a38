"""What runs the model: the judging process writes it into the store, and the page and `status` read it there."""

from contextlib import suppress
from pathlib import Path

from node.store.own_files import write_own

FILE = "model.loaded"


def write_runtime(folder: Path, runtime: str) -> None:
    """Write it down. A full disk is no error here: another check finds it."""
    with suppress(OSError):
        write_own(folder / FILE, runtime.encode())


def read_runtime(folder: Path) -> str:
    """Give what was written last; "" where no model was loaded yet."""
    try:
        return (folder / FILE).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
