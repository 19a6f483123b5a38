"""DICOMscope, OFFIS' viewer of presentation states, in Debian's packages: does it draw ours?"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgseg_dicom.findings.measure import measure
from sgseg_dicom.reading.read import read
from sgseg_dicom.results.presentation_state import encode_state
from tests.support.builders import chest_radiograph, write
from tests.support.predictions import ALGORITHM, IMAGE_LEFT, MADE_AT, both_lungs, prediction, spot
from tests.viewers.colours import grown
from tests.viewers.server import HERE

JAR = Path("/usr/share/java/DICOMscope.jar")
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu/jni")
CONFIGURATION = Path("/etc/dcmtk/DICOMscope.cfg")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        not (JAR.exists() and shutil.which("javac")),
        reason="DICOMscope or a Java compiler is not installed (apt: dicomscope default-jdk-headless)",
    ),
]

_WORDS = (0.10, 0.80)
"""Above and below, in parts of the image's height, the state has its words."""


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "predicted", [both_lungs(), prediction(spot(*IMAGE_LEFT), zones=["right middle"])], ids=["both", "right"]
)
def test_the_outlines_are_drawn_around_the_regions(predicted, polarity, tmp_path):
    """
    Every drawn pixel lies on the edge of a region, and each region has its outline.
    """
    path = write(chest_radiograph(PhotometricInterpretation=polarity), tmp_path / "image.dcm")
    radiograph = read(path)
    finding = measure(predicted, radiograph)
    state = encode_state(radiograph, finding, algorithm=ALGORITHM, made_at=MADE_AT)
    state.save_as(tmp_path / "state.dcm", enforce_file_format=True)

    drawn = drawn_by_dicomscope(tmp_path, radiograph.stored_shape)

    rows = np.arange(len(drawn))[:, None] / len(drawn)
    drawn &= (rows > _WORDS[0]) & (rows < _WORDS[1])
    edges = [grown(region.mask) & grown(~region.mask) for region in finding.regions]
    assert not drawn[~np.any([grown(edge) for edge in edges], axis=0)].any()
    assert [int((drawn & edge).sum()) > 60 for edge in edges] == [True] * len(finding.regions)


def drawn_by_dicomscope(folder, shape):
    """Give where DICOMscope draws graphics over the image (Rows, Columns)."""
    (folder / "log").mkdir()  # where its configuration wants its log
    classes = ("-cp", f"{JAR}:{folder}")
    subprocess.run(["javac", *classes, "-d", folder, HERE / "DrawState.java"], check=True)
    rows, columns = map(str, shape)
    done = subprocess.run(
        [
            *("java", "-Djava.awt.headless=true", f"-Djava.library.path={LIBRARIES}", *classes, "DrawState"),
            *(CONFIGURATION, "state.dcm", "image.dcm", columns, rows, "drawn.png"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return np.asarray(Image.open(folder / "drawn.png").convert("L")) > 0
