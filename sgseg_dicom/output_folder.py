"""Results in a folder, named after their image: what lies there under one image's name speaks of one content."""

import filecmp
import glob
import re
from collections.abc import Mapping
from pathlib import Path

from sgseg_dicom.errors import ConflictingInstance

OUR_PICTURE = "overlay.png"
"""End of the name of a picture: what folders are searched for radiographs leave it out."""

_OURS = re.compile(rf"(seg|sr|text|answer|film)\b.*\.dcm|{re.escape(OUR_PICTURE)}")
"""What may stand behind the image's name in the name of a file."""


class OutputFolder:
    """Writes the results of one run to *out*; those of an earlier run of the same image give way."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._image_of: dict[str, Path] = {}

    def claim(self, name: str, image: Path) -> None:
        """
        Say that results under *name* (a SOP Instance UID, or the name of a film) are of *image*, a file.

        Raises:
            ConflictingInstance: in this run they are already of another image with the same name.
        """
        first = self._image_of.setdefault(name, image)
        if first != image and not filecmp.cmp(first, image, shallow=False):
            raise ConflictingInstance(
                f"{first} has the same SOP Instance UID, or name, and other content: results would speak of both; "
                "find out which is right, and give that one"
            )

    def write(self, name: str, files: Mapping[str, bytes]) -> dict[str, Path]:
        """
        Write *files*, by the end of their name, and delete what an earlier run wrote about this image beside them.

        Raises:
            OSError: disk full, or read-only.
        """
        paths = {end: self._out / f"{name}.{end}" for end in files}
        for end, path in paths.items():
            path.write_bytes(files[end])
        for path in set(self._out.glob(f"{glob.escape(name)}.*")) - set(paths.values()):
            if _OURS.fullmatch(path.name.removeprefix(f"{name}.")):
                path.unlink()
        return paths
