"""
What was measured on judged films, for later films of the same patient: two tables of ours in the queue's database.

    measurements   a row for each film and set of weights: when it was taken, its UIDs, the share of each lung
    comparisons    a row for each job and set of weights: the earlier films that it was compared with, decided once

No patient's data stand there. A patient is a keyed hash (HMAC-SHA256, RFC 2104) over identifier, issuer, birth date
and sex, whose key is a file of the store. Without that file no row is found again, nor traced by guessing.
"""

import hashlib
import hmac
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from node.store.fsync import storage, sync
from node.store.own_files import make_own, open_own
from node.work.database import Database
from sgseg_dicom.comparison.films import EarlierFilm, Film, FilmReference, MeasuredFilm, Moment, Patient
from sgseg_dicom.zones import Laterality

KEY_FILE = "measurements.key"
"""In the store: 32 bytes, for the node's own user alone."""

_MOST_POINTS = 8
"""Earlier films that a comparison takes: the newest."""

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS measurements (
        sop_instance_uid TEXT NOT NULL,
        weights TEXT NOT NULL,
        patient TEXT NOT NULL,
        taken_date TEXT NOT NULL,
        taken_time TEXT NOT NULL,
        sop_class_uid TEXT NOT NULL,
        study_uid TEXT NOT NULL,
        series_uid TEXT NOT NULL,
        share_right REAL,
        share_left REAL,
        measured_at REAL NOT NULL,
        PRIMARY KEY (sop_instance_uid, weights)
    )
    """,
    "CREATE INDEX IF NOT EXISTS measurements_of_patient ON measurements (patient, weights, taken_date)",
    """
    CREATE TABLE IF NOT EXISTS comparisons (
        job TEXT NOT NULL, weights TEXT NOT NULL, earlier TEXT NOT NULL, PRIMARY KEY (job, weights)
    )
    """,
)
_COLUMNS = (
    "taken_date, taken_time, sop_class_uid, sop_instance_uid, study_uid, series_uid, share_right, share_left"
)


def make(database: sqlite3.Connection) -> None:
    """Make the tables where they are not there yet."""
    for statement in _TABLES:
        database.execute(statement)


def is_there(database: sqlite3.Connection) -> bool:
    """Report whether the tables are there."""
    return database.execute("SELECT 1 FROM sqlite_master WHERE name = 'comparisons'").fetchone() is not None


def forget_decision(database: sqlite3.Connection, job_id: str) -> None:
    """Let a job that is judged anew be compared anew."""
    database.execute("DELETE FROM comparisons WHERE job = ?", (job_id,))


def forget_image(database: sqlite3.Connection, sop_instance_uid: str) -> None:
    """Delete what was measured on an image that a person deletes for good."""
    database.execute("DELETE FROM measurements WHERE sop_instance_uid = ?", (sop_instance_uid,))


class Measurements:
    """
    Keeps what was measured; safe to call from many threads. Each method may raise StorageUnavailable.

    Args:
        database: the queue's, with the tables.
        key: of the hashes (`read_key`).
        clock: gives POSIX time in seconds.
    """

    def __init__(self, database: Database, key: bytes, *, clock: Callable[[], float]) -> None:
        self._database, self._key, self._clock = database, key, clock

    def keep(self, measured: MeasuredFilm) -> None:
        """Keep what was measured on a film; what the same weights measured on it before goes."""
        film, shares = measured.film, measured.shares
        row = (
            film.reference.sop_instance_uid,
            film.weights,
            self._hash(film.patient),
            *film.taken,
            film.reference.sop_class_uid,
            film.reference.study_uid,
            film.reference.series_uid,
            shares.get(Laterality.RIGHT),
            shares.get(Laterality.LEFT),
            self._clock(),
        )
        with self._database.writing() as database:
            database.execute(f"REPLACE INTO measurements VALUES ({', '.join('?' * len(row))})", row)

    def earlier(self, job_id: str, film: Film) -> tuple[EarlierFilm, ...]:
        """
        Give the films with which a job compares its own; decided at the first call, and the same at every other.

        They are of the same patient, judged by the same weights, surely taken before, and of other studies: two films
        of one study are one examination. The oldest comes first.
        """
        with self._database.writing() as database:
            decided = database.execute(
                "SELECT earlier FROM comparisons WHERE job = ? AND weights = ?", (job_id, film.weights)
            ).fetchone()
            if decided is not None:
                return tuple(_film(row) for row in json.loads(decided[0]))
            rows = self._rows_before(database, film)
            database.execute(
                "INSERT INTO comparisons VALUES (?, ?, ?)", (job_id, film.weights, json.dumps(rows))
            )
        return tuple(map(_film, rows))

    def forget_before(self, moment: float) -> int:
        """Delete what was measured before *moment* (POSIX time), and count it."""
        with self._database.writing() as database:
            return database.execute("DELETE FROM measurements WHERE measured_at < ?", (moment,)).rowcount

    def _rows_before(self, database: sqlite3.Connection, film: Film) -> list[Sequence[Any]]:
        found = database.execute(
            f"SELECT {_COLUMNS} FROM measurements WHERE patient = ? AND weights = ? AND taken_date <= ? "
            "AND sop_instance_uid <> ? AND study_uid <> ? ORDER BY taken_date, taken_time, sop_instance_uid",
            (
                self._hash(film.patient),
                film.weights,
                film.taken.date,
                film.reference.sop_instance_uid,
                film.reference.study_uid,
            ),
        ).fetchall()
        return [row for row in found if Moment(row[0], row[1]).is_before(film.taken)][-_MOST_POINTS:]

    def _hash(self, patient: Patient) -> str:
        told = json.dumps([patient.id, *patient.issuer, patient.birth_date, patient.sex])
        return hmac.new(self._key, told.encode(), hashlib.sha256).hexdigest()


def read_key(folder: Path) -> bytes:
    """
    Read the key of the hashes, and make it where there is none.

    Raises:
        StorageUnavailable: it cannot be read or written.
    """
    path = folder / KEY_FILE
    with storage(folder):
        make_own(path)
        with open(open_own(path), "r+b") as file:
            key = file.read(32)
            if len(key) < 32:  # it is new, or a crash left it unfinished
                key = secrets.token_bytes(32)
                file.seek(0)
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
                sync(folder)
    return key


def _film(row: Sequence[Any]) -> EarlierFilm:
    day, time, sop_class_uid, sop_instance_uid, study_uid, series_uid, right, left = row
    shares = {Laterality.RIGHT: right, Laterality.LEFT: left}
    return EarlierFilm(
        taken=Moment(day, time),
        reference=FilmReference(
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            study_uid=study_uid,
            series_uid=series_uid,
        ),
        shares={side: share for side, share in shares.items() if share is not None},
    )
