"""Who else can read a secret or write into a folder: mended where that is ours to do, and refused where not."""

import os
import stat
from pathlib import Path

import structlog

from sgseg_dicom.errors import ConfigError, StorageUnavailable

log = structlog.get_logger(__name__)

_OTHERS_READ = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def require_private_file(path: Path) -> None:
    """
    Refuse a file with a secret (password, token, private key) that group or others can read or write.

    A link is followed: it is the file behind it that counts. A file that is not there is somebody else's error.

    Raises:
        ConfigError: others can read it; with the cure.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & _OTHERS_READ:
        raise ConfigError(
            f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}); it holds a secret: chmod 600 {path}"
        )


def require_private_folder(folder: Path) -> None:
    """
    See to it that nobody else can write into a folder: who can may put other files in the place of ours.

    Our own folder is mended. One that we do not own cannot be mended. Where only its group can write, that is logged:
    container platforms give volumes in this way. Where everybody can, it is refused.

    Raises:
        StorageUnavailable: others can write there; with the cure.
        OSError: the folder cannot be read.
    """
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if not mode & _OTHERS_WRITE:
        return
    if found.st_uid == os.geteuid() and not mode & stat.S_ISVTX:
        folder.chmod(mode & ~_OTHERS_WRITE)
        log.warning(
            "store_mended", folder=str(folder), mode=f"{mode:04o}", detail="others could write into it"
        )
        return
    if mode & stat.S_IWOTH:
        raise StorageUnavailable(
            f"everybody can write into {folder} (mode {mode:04o}); set [store] folder to a folder of the node's own, "
            f"or chmod go-w {folder}"
        )
    log.warning(
        "store_shared",
        folder=str(folder),
        mode=f"{mode:04o}",
        detail="its group can write into it; set [store] folder to a folder of the node's own inside it",
    )


def require_own(part: Path) -> None:
    """
    Refuse a part of the store that another user has put there, a symbolic link too.

    Raises:
        StorageUnavailable: with the cure.
        OSError: it is not there.
    """
    owner = part.lstat().st_uid
    if owner not in (0, os.geteuid()):
        raise StorageUnavailable(
            f"{part} belongs to another user (id {owner}); see who made it, then remove it or chown it"
        )
