"""What is on disk stays on disk: writes that wait for it, and errors of the file system as ours."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sgseg_dicom.errors import StorageUnavailable


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write *files* into a folder of their own, instead of what it had, and wait until they are on disk."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        sync(folder / name)
    sync(folder)


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
    """Wait until a file's content or a folder's names are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
