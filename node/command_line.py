"""What the commands of `sgseg-node` share: the settings, and errors in plain words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from node.service.supervisor import CANNOT_START
from sgseg_dicom.config import Config, load
from sgseg_dicom.errors import ConfigError, SgsegError, StorageUnavailable, WeightsError

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Settings; without it ./config.toml where there is one, else the defaults."
    ),
]


def load_settings(path: Path | None) -> Config:
    """
    Read the settings of a command.

    Raises:
        ConfigError: they are wrong.
    """
    local = Path("config.toml")
    if path is None and not local.is_file():
        typer.echo("no --config, and no config.toml in this folder: using the defaults", err=True)
        return load(None)
    return load(path or local)


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with the message of an expected error instead of a traceback."""
    try:
        yield
    except SgsegError as error:
        typer.echo(str(error), err=True)
        hopeless = isinstance(error, ConfigError | WeightsError | StorageUnavailable)
        raise SystemExit(CANNOT_START if hopeless else 1) from None
