"""Writes that wait until the disk has them, and errors of the file system as errors of ours."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from node.store.own_files import write_own
from sgseg_dicom.errors import StorageUnavailable

UNFINISHED = "."
"""First character of the name of a folder that is still being written."""


def unfinished(folder: Path) -> Path:
    """Give the path under which *folder* is written until it is complete."""
    return folder.with_name(f"{UNFINISHED}{folder.name}")


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write *files* into *folder*, replace what it had before, and wait until everything is on disk."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name, content in files.items():
        write_own(folder / name, content)
        sync(folder / name)
    sync(folder)


def delete_folder(folder: Path) -> None:
    """Delete *folder* with all that is in it, and wait until its name is gone from the disk."""
    shutil.rmtree(folder)
    sync(folder.parent)


def delete_unfinished(parent: Path) -> int:
    """Delete the folders in *parent* that a crash left incomplete, and count them."""
    incomplete = [path for path in parent.iterdir() if path.name.startswith(UNFINISHED)]
    for path in incomplete:
        shutil.rmtree(path)
    return len(incomplete)


@contextmanager
def storage(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into StorageUnavailable."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(
            f"{folder} cannot be used ({error.strerror or error}); check space, rights and [store] folder"
        ) from error


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
