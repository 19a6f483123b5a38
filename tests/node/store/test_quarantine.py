"""What must not be sent lies whole in the quarantine, and is counted until a person has acknowledged it."""

import json
from pathlib import Path

import pytest

from node.store.store import Store
from tests.node.store.test_result_folder import report


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def quarantine(store: Store, **texts: str) -> Path:
    """Quarantine a report of each text, by name."""
    objects = {f"{name}.dcm": report(text=text).content for name, text in texts.items()}
    return store.quarantine.keep_results("job", objects, rules=("mask-side",), violations=("seg: wrong",))


def test_quarantined_results_have_their_reason_beside_them(store):
    """
    The objects, the names of the broken rules, and where each rule is broken.
    """
    folder = quarantine(store, sr="wrong")

    assert {path.name for path in folder.iterdir()} == {"sr.dcm", "why.json"}
    assert json.loads((folder / "why.json").read_text()) == {
        "rules": ["mask-side"],
        "violations": ["seg: wrong"],
    }


def test_quarantined_results_are_whole_or_not_there(store):
    """
    A crash leaves an incomplete folder, which does not count and is deleted; a later attempt replaces an earlier one.
    """
    (store.quarantine.path / ".job").mkdir()
    (store.quarantine.path / ".job" / "sr.dcm").write_bytes(b"half")
    assert store.quarantine.count_results() == 0
    quarantine(store, sr="old", seg="old")
    folder = quarantine(store, sr="new")
    (store.quarantine.path / ".other").mkdir()

    assert store.sweep_unfinished() == 1
    assert store.quarantine.count_results() == 1
    assert {path.name for path in folder.iterdir()} == {"sr.dcm", "why.json"}
    assert b"new" in (folder / "sr.dcm").read_bytes()


def test_quarantined_results_go_with_their_job(store):
    """
    [store] keep_days covers the quarantine too.
    """
    quarantine(store, sr="wrong")
    store.remove("job", "instances/none.dcm")

    assert store.quarantine.count_results() == 0
