"""
What must not be sent, and what must not be judged: a person has to look at it.

    quarantine/<job>.dcm       an image with other content than the stored image of the same SOP Instance UID
    quarantine/<job>/          results that failed our own check: the objects, and why.json with the broken rules
    quarantine/.<job>          a folder that is being written
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from node.store.acknowledgements import Acknowledged
from node.store.fsync import (
    UNFINISHED,
    delete_folder,
    delete_unfinished,
    storage,
    sync,
    unfinished,
    write_folder,
)

_WHY = "why.json"


class Quarantine:
    """
    Keeps images and results that a person must look at.

    Args:
        path: the folder `quarantine` of the store.
        acknowledged: the jobs that a person has looked at; they are not counted any more.
    """

    def __init__(self, path: Path, acknowledged: Acknowledged) -> None:
        self.path = path
        self._acknowledged = acknowledged

    def image_path(self, job_id: str) -> Path:
        """Give the path of a quarantined image."""
        return self.path / f"{job_id}.dcm"

    def keep_results(
        self, job_id: str, objects: Mapping[str, bytes], *, rules: Sequence[str], violations: Sequence[str]
    ) -> Path:
        """
        Store results that must not be sent, with the reason, and give their folder; durable when this returns.

        All files are written or none. The results of a later attempt replace those of an earlier one.

        Args:
            job_id: the job of the image.
            objects: the files' bytes, by file name.
            rules: names of the rules that are broken.
            violations: a sentence for each place where a rule is broken.

        Raises:
            StorageUnavailable: disk full or read-only.
        """
        why = {"rules": rules, "violations": violations}
        folder = self.path / job_id
        with storage(self.path):
            write_folder(unfinished(folder), {**objects, _WHY: json.dumps(why, indent=2).encode()})
            if folder.is_dir():
                shutil.rmtree(folder)
            unfinished(folder).rename(folder)
            sync(self.path)
        return folder

    def remove_results(self, job_id: str) -> None:
        """
        Delete the quarantined results of a job, if there are any; durable when this returns.

        Raises:
            StorageUnavailable: read-only.
        """
        folder = self.path / job_id
        with storage(self.path):
            if folder.is_dir():
                delete_folder(folder)

    def results(self) -> dict[str, tuple[str, ...]]:
        """
        Give the jobs with quarantined results, each with the names of the broken rules.

        Raises:
            StorageUnavailable: the folder cannot be read.
        """
        with storage(self.path):
            folders = [path for path in self.path.iterdir() if path.is_dir()]
        return {path.name: _rules(path) for path in folders if not path.name.startswith(UNFINISHED)}

    def count_results(self) -> int:
        """
        Count the jobs with quarantined results that nobody has acknowledged.

        Raises:
            StorageUnavailable: the folder cannot be read.
        """
        with storage(self.path):
            names = [path.name for path in self.path.iterdir() if path.is_dir()]
        return sum(not name.startswith(UNFINISHED) and name not in self._acknowledged for name in names)

    def count_images(self) -> int:
        """
        Count the quarantined images that nobody has acknowledged.

        Raises:
            StorageUnavailable: the folder cannot be read.
        """
        with storage(self.path):
            return sum(path.stem not in self._acknowledged for path in self.path.glob("*.dcm"))

    def sweep(self) -> int:
        """
        Delete incomplete results that a crash left, and count them.

        Raises:
            StorageUnavailable: read-only.
        """
        with storage(self.path):
            return delete_unfinished(self.path)


def _rules(folder: Path) -> tuple[str, ...]:
    """Give the names of the broken rules; none where the reason is not readable."""
    try:
        return tuple(json.loads((folder / _WHY).read_bytes())["rules"])
    except (OSError, ValueError, KeyError):
        return ()
