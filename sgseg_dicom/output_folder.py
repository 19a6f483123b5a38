"""Results in a folder, named after their image: what lies there under one image's UID speaks of one content."""

import filecmp
import re
from collections.abc import Mapping
from pathlib import Path

from sgseg_dicom.errors import ConflictingInstance
from sgseg_dicom.records import WrittenObject

_OURS = re.compile(r"(seg|sr|text|answer)\b.*\.dcm")
"""What may stand behind the image's UID in the name of a file."""


class OutputFolder:
    """Writes the results of one run to *out*; those of an earlier run of the same image give way."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._image_of: dict[str, Path] = {}

    def claim(self, uid: str, image: Path) -> None:
        """
        Say that results under *uid* are of *image*, a file.

        Raises:
            ConflictingInstance: in this run they are already of another image with the same SOP Instance UID.
        """
        first = self._image_of.setdefault(uid, image)
        if first != image and not filecmp.cmp(first, image, shallow=False):
            raise ConflictingInstance(
                f"{first} has the same SOP Instance UID and other content: results would speak of both; "
                "find out which is right, and give that one"
            )

    def write(self, uid: str, files: Mapping[str, WrittenObject]) -> dict[str, Path]:
        """
        Write *files*, by the end of their name, and delete what an earlier run wrote about this image beside them.

        Raises:
            OSError: disk full, or read-only.
        """
        paths = {name: self._out / f"{uid}.{name}" for name in files}
        for name, path in paths.items():
            path.write_bytes(files[name].content)
        for path in set(self._out.glob(f"{uid}.*.dcm")) - set(paths.values()):
            if _OURS.fullmatch(path.name.removeprefix(f"{uid}.")):
                path.unlink()
        return paths
