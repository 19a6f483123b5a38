"""The documents tell the truth about the repository: links, commands, settings and paths in them exist."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer

import node.cli
import sgseg_dicom.cli
import training.cli
from docs.drawn_chest import WORDS, drawn_chest
from docs.pictures import DRAWINGS
from sgseg_dicom.config import Config
from sgseg_dicom.destinations import DESTINATIONS
from sgseg_dicom.results.overlay import LUNG_COLOURS
from sgseg_dicom.senders import Sender
from sgseg_dicom.zones import Laterality

ROOT = Path(__file__).parent.parent
LOG = ROOT / "training/LOG.md"
"""Tells what was done at the time: its commands and names are those of then."""

_QUOTES = "tests/core/check/test_rule_sources.py"
"""Quotes foreign documents, to see that they are refused as sources."""

_FOLDERS = ("benchmarks", "deploy", "docs", "examples", "node", "sgseg_dicom", "tests", "training")
_TEXTS = ("*.md", "*.py", "*.toml", "*.j2", "*.html", "*.svg")


def files(*patterns: str) -> list[Path]:
    """Give the files of the repository that match, without what was installed or built beside them."""
    found = [path for pattern in patterns for path in ROOT.glob(pattern)]
    found += [path for folder in _FOLDERS for pattern in patterns for path in (ROOT / folder).rglob(pattern)]
    return sorted({path for path in found if "node_modules" not in path.parts})


DOCUMENTS = files("*.md")
GUIDES = [path for path in DOCUMENTS if path != LOG]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose_of(path: Path) -> str:
    """Give a document without its fenced and indented code."""
    text = re.sub(r"^(`{3,}).*?^\1", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^( {4}|\t)(?! *(\d+\.|[-*]) ).*$", "", text, flags=re.MULTILINE)


def anchors_of(path: Path) -> set[str]:
    """Give the anchors of a document's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ +(.+?) *$", prose_of(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_documents_to_look_at():
    """Otherwise everything below would be well."""
    assert {"README.md", "docs/administrator.md", "training/LOG.md"} <= set(map(name_of, DOCUMENTS))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_to_a_file_and_an_anchor(document):
    """Links to the web are left alone: the tests need no network."""
    broken = []
    for target, anchor in re.findall(r'(?:\]\(|src=")([^()\s#"]*)#?([^()\s"]*)[)"]', prose_of(document)):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        path = (document.parent / target).resolve() if target else document
        if not path.exists() or (anchor and anchor not in anchors_of(path)):
            broken.append(f"{target}#{anchor}")

    assert broken == []


def test_every_decision_is_in_the_index_by_topic_once():
    """What is not in the index is not found."""
    text = (ROOT / "DECISIONS.md").read_text("utf-8")
    titles = re.findall(r"^## (\d{4}-.+)$", text, flags=re.MULTILINE)
    listed = [
        " ".join(title.split()) for title in re.findall(r"^- \[(\d{4}-[^\]]+)\]", text, flags=re.MULTILINE)
    ]

    assert sorted(listed) == sorted(titles)


COMMANDS = {
    "sgseg": typer.main.get_command(sgseg_dicom.cli.app),
    "sgseg-node": typer.main.get_command(node.cli.app),
    "sgseg-train": typer.main.get_command(training.cli.app),
}


def shown_commands(document: Path) -> Iterator[str]:
    """Give every command of ours that stands as code in a document, one with all its lines."""
    text = document.read_text("utf-8").replace("\\\n", " ")
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^(?: {4}|\t)(.+)$", text, flags=re.MULTILINE)
    for line in code:
        for part in re.split(r"&&|;|\|", line.split(" #")[0]):
            if found := re.match(r"(?:\S*[/=])?(sgseg(?:-node|-train)?|make) +([a-z-].*)", part.strip()):
                yield f"{found[1]} {found[2]}"


def unknown_in(command: str) -> list[str]:
    """Give what a command shows that there is not: the subcommand, or options."""
    program, name, *rest = command.split()
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        return [] if name in targets else [name]
    if name in {option for parameter in COMMANDS[program].params for option in parameter.opts}:
        return []
    subcommand = COMMANDS[program].commands.get(name)
    if subcommand is None:
        return [name]
    known = {option for parameter in subcommand.params for option in parameter.opts} | {"--help"}
    return [word for word in rest if word.startswith("--") and word.split("=")[0].rstrip(".,)") not in known]


@pytest.mark.parametrize("document", GUIDES, ids=name_of)
def test_every_command_and_option_that_is_shown_exists(document):
    """Asked of the programs' own tables, and of the Makefile."""
    unknown = {command: bad for command in shown_commands(document) if (bad := unknown_in(command))}

    assert unknown == {}


def test_an_invented_command_would_be_found():
    """A reader of documents that finds nothing checks nothing."""
    assert unknown_in("sgseg-node restart") == ["restart"]
    assert unknown_in("sgseg-node status --faled") == ["--faled"]
    assert unknown_in("make coffee") == ["coffee"]
    assert "sgseg-node status --failed" in set(shown_commands(ROOT / "docs/administrator.md"))


@pytest.mark.parametrize("document", GUIDES, ids=name_of)
def test_every_python_module_that_is_run_exists(document):
    """`python -m docs.conformance` and others."""
    run = re.findall(r"python -m ([\w.]+)", document.read_text("utf-8"))
    ours = [ROOT.joinpath(*name.split(".")) for name in run if name.split(".")[0] in _FOLDERS]

    assert [path for path in ours if not path.with_suffix(".py").is_file() and not path.is_dir()] == []


@pytest.mark.parametrize("document", GUIDES, ids=name_of)
def test_every_setting_that_is_named_exists(document):
    """As `[section] key`."""
    tables = {
        "destination": {key for model in DESTINATIONS.values() for key in model.model_fields},
        "sender": set(Sender.model_fields),
    }
    unknown = []
    for section, key in re.findall(r"`\[+(\w+)\]+ (\w+)", document.read_text("utf-8")):
        field = Config.model_fields.get(section)
        known = tables.get(section) or getattr(field and field.annotation, "model_fields", ())
        if key not in known:
            unknown.append(f"[{section}] {key}")

    assert unknown == []


@pytest.mark.parametrize("document", GUIDES, ids=name_of)
def test_every_file_and_folder_that_is_named_exists(document):
    """Someone new must find what the documents send them to."""
    named = re.findall(rf"`((?:{'|'.join(_FOLDERS)})/[\w./-]*)`", document.read_text("utf-8"))

    assert [path for path in named if not (ROOT / path).exists()] == []


def foreign_in(path: Path, known: set[str]) -> list[str]:
    """Give the documents that a file cites and the repository lacks: by path, or by a name that none has."""
    text = path.read_text("utf-8")
    cited = set(re.findall(r"(?<![\w/.*-])(?:[\w.-]+/)*[\w-]+\.md\b(?!\.\w)", text))
    above = [folder for folder in (path.parent, *path.parents) if folder.is_relative_to(ROOT)]
    missing = [
        name for name in cited if name not in known and not any((folder / name).is_file() for folder in above)
    ]
    return missing + ([] if path == LOG else re.findall(r"\bissue #?\d+|node-pitfalls \d+", text))


def test_no_file_cites_a_document_that_is_not_in_the_repository():
    """Neither by its name, nor as an issue of a tracker that readers do not have."""
    known = {path.name for path in DOCUMENTS}

    looked_at = [path for path in files(*_TEXTS, "Makefile") if name_of(path) != _QUOTES]
    foreign = {name_of(path): bad for path in looked_at if (bad := foreign_in(path, known))}

    assert foreign == {}


def test_a_citation_of_a_foreign_document_would_be_found(tmp_path):
    """A reader of sources that finds nothing checks nothing."""
    note = tmp_path / "note.py"
    note.write_text("# as viewers" + ".md says; see issue" + " 3 and training/LOG.md")

    assert sorted(foreign_in(note, {"LOG.md"})) == ["issue" + " 3", "training/LOG.md", "viewers" + ".md"]


RADIOLOGIST = (ROOT / "docs/radiologist.md").read_text("utf-8")


def test_radiologists_find_every_reason_why_an_image_is_not_judged():
    """The reasons are those that the language files explain."""
    reasons = tomllib.loads((ROOT / "sgseg_dicom/language/en.toml").read_text("utf-8"))["reason"]

    assert [reason for reason in reasons if reason != "other" and f"`{reason}`" not in RADIOLOGIST] == []


def test_radiologists_are_told_the_colours_of_the_lungs_as_they_are_drawn():
    """Orange (red above green above blue) is the patient's right; blue (the reverse) is the left."""
    right, left = LUNG_COLOURS[Laterality.RIGHT], LUNG_COLOURS[Laterality.LEFT]

    assert "**Orange is the patient's right lung. Blue is the patient's left lung.**" in RADIOLOGIST
    assert sorted(right, reverse=True) == list(right)
    assert sorted(left) == list(left)


def test_every_picture_is_shown_and_every_drawing_has_one():
    """A picture that no document shows is left over; one that is not there is a broken link (above)."""
    pictures = {path.name for path in (ROOT / "docs/images").iterdir()}
    texts = "".join(path.read_text("utf-8") for path in (*DOCUMENTS, ROOT / "docs/conformance.md.j2"))

    assert {name for name in pictures if f"images/{name}" not in texts} == set()
    assert {f"{name}.png" for name in DRAWINGS} <= pictures


def test_a_drawn_chest_says_in_the_image_that_it_is_no_patient():
    """The words are brighter than what is around them; the same drawing comes out again."""
    drawn, bare = drawn_chest(), drawn_chest(words="")
    rows = np.flatnonzero((drawn != bare).any(axis=1))

    assert WORDS == "DRAWN, NOT A PATIENT"
    assert len(rows) > 20
    assert (drawn >= bare).all()
    np.testing.assert_array_equal(drawn, drawn_chest())


def test_the_documents_build_as_a_site_without_a_warning(tmp_path):
    """`make docs`; a missing page, link or anchor is a warning, and --strict makes it an error."""
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # of the theme, about its successor

    done = subprocess.run(build, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    guides = {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")}
    assert guides <= pages
    assert [path for path in (tmp_path / "site").rglob("*") if path.suffix in (".py", ".j2")] == []
