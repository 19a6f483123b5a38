"""What the commands of `sgseg-train` share: options for the data, checks of arguments, one line for an error."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from sgseg_dicom.errors import ConfigError, SgsegError
from training.data.train_and_valid import ZonesFrom

Data = Annotated[
    Path,
    typer.Option(
        help="QaTa-COV19 in the layout of the SGSeg release, of Kaggle or of LViT; it is recognised."
    ),
]
Zones = Annotated[
    ZonesFrom,
    typer.Option(
        help="masks: an image that no caption describes gets the zones of its mask (no captions: Kaggle)."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help='Another value for a key of the recipe: "phases.0.size=96"; may be given again.'
    ),
]
Normals = Annotated[
    Path, typer.Option(help="Folder of normal radiographs, with a sub-folder for each split.")
]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print an expected failure, also of files and disks, as one line; then exit with status 2."""
    try:
        yield
    except SgsegError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
    except OSError as error:
        where = error.filename or "a file"
        typer.echo(f"{where}: {error.strerror or error}; check path, space and rights", err=True)
        sys.exit(2)


def require_writable(path: Path | None) -> None:
    """
    Check that a file can be written, before hours of work whose figures it shall hold. None: no file is wanted.

    Raises:
        ConfigError: the path is a folder.
        OSError: the file cannot be written.
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
    """Write *content* to a file; None: no file is wanted."""
    if path is not None:
        path.write_text(json.dumps(content, indent=1) + "\n")


def allowed_sizes(sizes: list[int] | None) -> tuple[int, ...]:
    """
    Give the values of option --size; () if it was not given.

    Raises:
        ConfigError: the network takes no images of such a size.
    """
    if wrong := [size for size in sizes or () if size < 64 or size % 32]:
        raise ConfigError(
            f"--size {wrong[0]}: a multiple of 32, at least 64, is needed; 192 or 288, for example"
        )
    return tuple(sizes or ())
