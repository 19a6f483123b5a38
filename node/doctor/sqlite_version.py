"""Which SQLite the queue needs: DBOS asks from Python 3.12 on for one that Debian 12 does not have."""

import sqlite3
import sys

from sgseg_dicom.errors import ConfigError

_PYTHON, _SQLITE = (3, 12), (3, 42, 0)
"""From this Python on, DBOS 3.4 asks SQLite for parts of a second (unixepoch), which it has since this release."""


def require_new_sqlite(
    python: tuple[int, ...] = sys.version_info[:2], sqlite: tuple[int, ...] = sqlite3.sqlite_version_info
) -> str:
    """
    Say which SQLite keeps the queue.

    Raises:
        ConfigError: it is too old for this Python.
    """
    found, needed = (".".join(map(str, version)) for version in (sqlite, _SQLITE))
    if python >= _PYTHON and sqlite < _SQLITE:
        raise ConfigError(
            f"SQLite is {found}, and from Python 3.12 on the queue needs {needed} or newer; use Python 3.11, or a "
            "Python that was built with a newer SQLite (Debian 13 and Ubuntu 24.04 have one)"
        )
    return f"{found}, for Python {'.'.join(map(str, python))}"
