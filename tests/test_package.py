"""What is built and passed on: wheel and source distribution, licences and versions."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docs import third_party
from setup import for_an_index

ROOT = Path(__file__).parent.parent
_BUILD = """
import sys
from setuptools import build_meta
out = sys.argv[1]
print(build_meta.build_wheel(out), build_meta.build_sdist(out))
"""
_SHARE = ".data/data/share/sgseg-dicom/"


@dataclass(frozen=True)
class Built:
    """
    What setuptools makes of a clone.

    Attributes:
        wheel, source: path in the archive -> content. Of the source distribution, without its first folder.
    """

    wheel: dict[str, bytes]
    source: dict[str, bytes]

    def shared(self) -> dict[str, bytes]:
        """Give what the wheel puts into share/sgseg-dicom."""
        return {path.split(_SHARE)[1]: content for path, content in self.wheel.items() if _SHARE in path}


def tracked(*folders: str) -> list[str]:
    """Give the files of the repository, as a clone has them."""
    command = ["git", "ls-files", "-z", "--", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """The wheel and the source distribution of what a clone has."""
    clone, out = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("dist")
    for name in tracked():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name, follow_symlinks=False)
    command = [sys.executable, "-c", _BUILD, str(out)]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wheel, source = (out / name for name in done.stdout.splitlines()[-1].split())
    with zipfile.ZipFile(wheel) as archive, tarfile.open(source) as tar:
        members = {one.name.split("/", 1)[-1]: tar.extractfile(one) for one in tar if one.isfile()}
        yield Built(
            wheel={name: archive.read(name) for name in archive.namelist()},
            source={name: file.read() for name, file in members.items() if file is not None},
        )


def test_the_settings_to_copy_from_are_in_both(built):
    """In a clone node/setup/config.toml is a link; what is built has its content."""
    content = (ROOT / "config.toml").read_bytes()

    assert built.wheel["node/setup/config.toml"] == content
    assert built.source["node/setup/config.toml"] == content


def test_the_wheel_has_the_documents_of_the_training(built):
    """Messages and the model card point to them."""
    assert {f"training/{name}.md" for name in ("README", "LOG", "RESULTS")} <= set(built.wheel)


def test_an_installation_has_the_guides_and_all_of_deploy(built):
    """In share/sgseg-dicom, under the paths of the repository: links from guide to guide work."""
    wanted = {*tracked("deploy"), *tracked("docs/*.md"), "CHANGELOG.md", "config.toml", "constraints.txt"}

    assert wanted - set(built.shared()) == set()


def test_the_source_distribution_is_the_repository(built):
    """Every link and every command of a document works in it."""
    assert set(tracked()) - set(built.source) == {".gitignore"}


def test_the_licences_come_along(built):
    """Ours, those of others, and the font's."""
    licences = {path.split("/licenses/")[1] for path in built.wheel if "/licenses/" in path}

    assert licences == {"LICENSE", "THIRD-PARTY.md", "sgseg_dicom/fonts/LICENSE"}


def test_the_readme_of_an_index_has_no_link_that_leads_nowhere(built):
    """On an index there is no repository beside it: every link is absolute, or to a heading of its own."""
    (about,) = (text.decode() for path, text in built.wheel.items() if path.endswith(".dist-info/METADATA"))
    targets = re.findall(r'(?:\]\(|src=")([^()\s"]+)', about)

    assert "## Two commands" in about
    assert [target for target in targets if not target.startswith(("https:", "#"))] == []


def test_links_become_absolute_where_the_repository_has_an_address():
    """As soon as pyproject.toml names it."""
    readme = (
        '[guide](docs/developer.md#b) [web](https://x.y) ![p](docs/p.png)\n\n<img src="docs/q.png" alt="q">\n'
    )

    text = for_an_index(readme, "https://code.example/a/blob/main")

    assert re.findall(r'\]\(([^)]+)\)|src="([^"]+)"', text) == [
        ("https://code.example/a/blob/main/docs/developer.md#b", ""),
        ("https://x.y", ""),
        ("https://code.example/a/blob/main/docs/p.png", ""),
        ("", "https://code.example/a/blob/main/docs/q.png"),
    ]


def test_the_licences_of_others_are_those_of_what_is_installed():
    """Otherwise: `python -m docs.third_party`."""
    assert third_party.LICENCES.read_text("utf-8") == third_party.licences()


def test_every_licence_is_stated():
    """A package that states none would have to be looked at by a person."""
    packages = third_party.installed(third_party.requirements_of())

    assert {"psycopg", "certifi", "numpy"} <= {canonicalize_name(one.name) for one in packages}
    assert [one.name for one in packages if "not stated" in one.licence] == []


def test_the_constraints_are_the_versions_that_these_tests_run_with():
    """Of everything that is installed here, with all extras. Otherwise: `python -m docs.third_party`."""
    lines = third_party.CONSTRAINTS.read_text("utf-8").splitlines()
    stated = {
        canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)
    }
    asked = third_party.requirements_of("demo", "docs", "gpu", "train", "test")
    here = {canonicalize_name(one.name): one.version for one in third_party.installed(asked)}

    assert {name: stated.get(name) for name in here} == here


def test_a_package_that_is_asked_for_by_an_extra_of_another_one_is_found():
    """dbos asks for psycopg[binary], and pip installs psycopg-binary for that: LGPL too."""
    found = {one.name: one.direct for one in third_party.installed([Requirement("psycopg[binary]")])}

    assert found["psycopg"] is True
    assert found["psycopg-binary"] is False
    assert metadata.version("psycopg-binary")
