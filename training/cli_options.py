"""What the commands of `sgseg-train` share: where the data are, and how an expected failure is told."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from sgseg_dicom.errors import ConfigError, SgsegError

Data = Annotated[
    Path,
    typer.Option(
        help="QaTa-COV19 as the SGSeg release, Kaggle or LViT lay it out; the layout is recognised."
    ),
]
Normals = Annotated[Path, typer.Option(help="Folder of normal radiographs, one sub-folder a split.")]


@contextmanager
def told() -> Iterator[None]:
    """Tell an expected failure, of files and disks too, in one line, and end with status 2."""
    try:
        yield
    except SgsegError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
    except OSError as error:
        where = error.filename or "a file"
        typer.echo(f"{where}: {error.strerror or error}; check path, space and rights", err=True)
        sys.exit(2)


def writable(path: Path | None) -> None:
    """
    Ask for a file's place before the hours of work whose figures it is to hold; None: no file is wanted.

    Raises:
        ConfigError: it is a folder.
        OSError: it cannot be written.
    """
    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    was_there = path.exists()
    with path.open("a"):
        pass
    if not was_there:
        path.unlink()


def write_json(path: Path | None, content: Any) -> None:
    """Write figures to a file, if one is wanted."""
    if path is not None:
        path.write_text(json.dumps(content, indent=1) + "\n")


def allowed_sizes(sizes: list[int] | None) -> tuple[int, ...]:
    """
    Give the sizes of several --size; () where there are none.

    Raises:
        ConfigError: the network cannot see such an image.
    """
    if wrong := [size for size in sizes or () if size < 64 or size % 32]:
        raise ConfigError(f"--size {wrong[0]}: the network sees multiples of 32 from 64 on, 192 or 288 say")
    return tuple(sizes or ())
