"""What the commands of `sgseg-train` share: where the data are, and how an expected failure is told."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sgseg_dicom.errors import SgsegError

Data = Annotated[
    Path,
    typer.Option(
        help="QaTa-COV19 as the SGSeg release, Kaggle or LViT lay it out; the layout is recognised."
    ),
]
Normals = Annotated[Path, typer.Option(help="Folder of normal radiographs, one sub-folder a split.")]


@contextmanager
def told() -> Iterator[None]:
    """Tell an expected failure in one line, and end with status 2."""
    try:
        yield
    except SgsegError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
