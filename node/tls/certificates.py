"""Our certificates: read again when their files change, and named in the log before they end."""

import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from node.tls.profile import Files
from node.tls.validity import valid_until
from sgseg_dicom.errors import ConfigError

log = structlog.get_logger(__name__)

WARN_DAYS = 30
_DAY_SECONDS = 86400
_OTHERS = 0o007

_Stamp = tuple[object, ...]


class Certificates:
    """
    Gives the context for each new connection; safe to call from many threads.

    Args:
        files: that are read.
        build: makes a context of them.
        clock: POSIX time, in seconds.

    Raises:
        ConfigError: a file cannot be used.
    """

    def __init__(
        self,
        files: Files,
        build: Callable[[Files], ssl.SSLContext],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files, self._build, self._clock = files, build, clock
        self._lock = threading.Lock()
        self._stamps = self._look()
        self._context = build(files)
        self._until, self._warned_at = self._read_end(), 0.0
        self._look_at_rights()

    def context(self) -> ssl.SSLContext:
        """Give the context of the files as they are now; that of before where they cannot be used."""
        with self._lock:
            stamps = self._look()
            if stamps != self._stamps:
                self._stamps = stamps
                self._read_again()
            self._warn_of_the_end()
            return self._context

    def _look(self) -> _Stamp:
        """Give what changes when a file is written or replaced."""
        return tuple(_stamp(file) for file in self._files.all)

    def _read_again(self) -> None:
        try:
            self._context = self._build(self._files)
        except (ConfigError, OSError) as error:  # OSError: a file disappeared meanwhile
            log.error("certificates_unusable", detail=f"{error}; the earlier ones stay in use")
            return
        self._until, self._warned_at = self._read_end(), 0.0
        log.info("certificates_read", files=[str(file) for file in self._files.all])
        self._look_at_rights()

    def _read_end(self) -> float:
        """Give the end of our certificate; infinite where there is none, or its end cannot be read."""
        if self._files.certificate is None:
            return float("inf")
        try:
            return valid_until(self._files.certificate.read_bytes())
        except (OSError, ValueError):
            return float("inf")

    def _warn_of_the_end(self) -> None:
        now = self._clock()
        left = self._until - now
        if left > WARN_DAYS * _DAY_SECONDS or abs(now - self._warned_at) < _DAY_SECONDS:
            return
        self._warned_at = now
        log.warning(
            "certificate_ends",
            file=str(self._files.certificate),
            days=int(left / _DAY_SECONDS),
            detail="our certificate has ended: peers refuse us; put a new one in its place"
            if left < 0
            else "our certificate ends soon; put a new one in its place, it is read at the next connection",
        )

    def _look_at_rights(self) -> None:
        key = self._files.key or self._files.certificate
        if key is not None and key.exists() and key.stat().st_mode & _OTHERS:
            log.warning(
                "key_unprotected", file=str(key), detail="everybody on this machine can read it; chmod o= it"
            )


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_ino, seen.st_size
