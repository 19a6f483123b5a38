"""Every rule of our own check says where it is written, in a place that its reader can look up."""

import re
from pathlib import Path

import pytest

from sgseg_dicom.check import Rule

_CLAUSE = r"(annex [A-Z]|[A-Z](\.\d+)+|\d+(\.\d+)*|Table [A-Z0-9.-]+|[TC]ID \d+)"
_FORMS = [
    re.compile(rf"PS3\.\d+ {_CLAUSE}(, {_CLAUSE})*(: .+)?"),  # the standard
    re.compile(r"UCUM"),
    re.compile(r"IHE AIR(: .+)?"),  # the profile
    re.compile(r"harm: .+"),  # our own promise
]
_DECISION = re.compile(r"DECISIONS\.md (\d{4}-\d\d-\d\d .+)")
_DECISIONS = Path(__file__).parents[3] / "DECISIONS.md"

_SOURCES = [pytest.param(one, id=f"{rule.word}: {one}") for rule in Rule for one in rule.sources]


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.word)
def test_a_rule_has_a_source(rule: Rule) -> None:
    """Somebody whose result was refused asks why: "because we say so" is no answer."""
    assert rule.sources


@pytest.mark.parametrize("source", _SOURCES)
def test_a_source_is_the_standard_the_profile_a_decision_or_a_harm(source: str) -> None:
    """Private notes and numbers of issues are no sources: a reader of this repository does not have them."""
    assert any(form.fullmatch(source) for form in (*_FORMS, _DECISION))


@pytest.mark.parametrize("source", [one for one in _SOURCES if "DECISIONS" in str(one.values[0])])
def test_a_decision_that_is_cited_exists(source: str) -> None:
    """A decision is cited by its date and its title, as they stand in DECISIONS.md."""
    cited = _DECISION.fullmatch(source)
    headings = re.findall(r"^## (.+)$", _DECISIONS.read_text(encoding="utf-8"), re.MULTILINE)

    assert cited is not None
    assert cited[1] in headings


def test_private_notes_are_refused_as_sources() -> None:
    """The forms are narrow enough to refuse what stood here before."""
    before = ["issue 3: no empty SEG", "viewers.md; PS3.3 C.7.4.1", "node-pitfalls 11: not the patient's mm"]

    assert not [one for one in before for form in (*_FORMS, _DECISION) if form.fullmatch(one)]
