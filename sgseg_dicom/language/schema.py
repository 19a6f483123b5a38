"""
What a language file (TOML) holds, and the check of one.

Whole phrases and no rules, so that any language's word order, cases and plurals fit: a phrase for every set of
levels of a lung lets German say "rechtes Ober- und Mittelfeld", and Spanish "medio e inferior".
"""

import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from sgseg_dicom import toml_table
from sgseg_dicom.toml_table import Place, Section

LONG_STRING = 64
"""Characters of a value representation LO (PS3.5 6.2), in which titles and the names of regions are written."""

SHORT_TEXT = 1024
"""Characters of a value representation ST (PS3.5 6.2), in which a presentation state says all under the image."""

OTHER_REASON = "other"
"""Key of [reason] that stands for every reason that is not listed."""


@dataclass(frozen=True, slots=True)
class _Holds:
    """One line of text with just these placeholders, in braces."""

    placeholders: tuple[str, ...] = ()
    longest: int | None = None

    @property
    def rule(self) -> str:
        """What a text must be: the end of "<key> is <value>; it must ..."."""
        named = ", ".join(f"{{{name}}}" for name in self.placeholders)
        length = f", at most {self.longest} characters" if self.longest else ""
        return f"be one line of text without backslash{length}, with {named or 'no placeholder'}"

    def __call__(self, value: str) -> str:
        parts = list(string.Formatter().parse(value))
        if (
            not value.strip()
            or value != value.strip()
            or re.search(r"[\\\x00-\x1f\x7f]", value)
            or len(value) > (self.longest or len(value))
            or any(spec or conversion for _, _, spec, conversion in parts)
            or {name for _, name, _, _ in parts if name is not None} != set(self.placeholders)
        ):
            raise ValueError
        return value


def _has_other(reasons: dict[str, str]) -> dict[str, str]:
    if OTHER_REASON not in reasons:
        raise ValueError
    return reasons


Text = Annotated[str, AfterValidator(_Holds())]
Newer = Annotated[str | None, AfterValidator(_Holds())]
"""A text that language files of 0.3.0 lack; where one does, the English text stands in."""
Short = Annotated[str, AfterValidator(_Holds(longest=LONG_STRING))]


class Sentence(Section):
    """[sentence]: the location report."""

    none: Text
    one_lung: Annotated[str, AfterValidator(_Holds(("count", "lung")))]
    both_lungs: Annotated[str, AfterValidator(_Holds(("count", "right", "left")))]


class Count(Section):
    """[count]: so many infected areas."""

    one: Text
    two: Text
    three: Text
    four: Text
    five: Text
    six: Text


class Lung(Section):
    """[right_lung], [left_lung]: the infected levels of one lung, by their set."""

    upper: Text
    middle: Text
    lower: Text
    upper_middle: Text
    upper_lower: Text
    middle_lower: Text
    upper_middle_lower: Text


class Zone(Section):
    """[right_zone], [left_zone]: a zone by itself."""

    upper: Text
    middle: Text
    lower: Text


class Side(Section):
    """[right], [left]: texts about one lung; *mark* is in every text about it, and in none about the other."""

    mark: Text
    region: Annotated[str, AfterValidator(_Holds(longest=LONG_STRING - len(", 99")))]
    disagreement: Text
    excess: Text
    difference: Newer = None
    share: Annotated[str | None, AfterValidator(_Holds(("percent",)))] = None
    lung: Newer = None
    compared: Annotated[str | None, AfterValidator(_Holds(("date", "before", "now", "change", "limit")))] = (
        None
    )


class Judgement(Section):
    """[judgement]: whether a zone is infected."""

    statement: Annotated[str, AfterValidator(_Holds(("zone", "judgement")))]
    present: Text
    absent: Text
    undetermined: Text


class Region(Section):
    """[region]: parts and sizes."""

    part: Annotated[str, AfterValidator(_Holds(("region", "number")))]
    whole_image: Text
    share: Annotated[str, AfterValidator(_Holds(("region", "percent")))]
    share_and_area: Annotated[str, AfterValidator(_Holds(("region", "percent", "area")))]
    share_and_area_at_detector: Annotated[str, AfterValidator(_Holds(("region", "percent", "area")))]
    share_of_both: Annotated[str | None, AfterValidator(_Holds(("percent",)))] = None
    severity: Annotated[str | None, AfterValidator(_Holds(("total", "right", "left")))] = None
    share_of_image: Annotated[str | None, AfterValidator(_Holds(("region", "percent")))] = None
    of_its_area: Annotated[str | None, AfterValidator(_Holds(("percent",)))] = None
    nothing_marked: Newer = None
    more: Newer = None
    less: Newer = None
    unclear: Newer = None
    about_comparison: Newer = None


class Picture(Section):
    """[picture]: short words beside the film; language files of 0.3.0 lack them."""

    marked_share: Newer = None
    both_lungs: Newer = None
    nothing_marked: Newer = None
    share_unknown: Newer = None
    severity: Newer = None


class Remark(Section):
    """[remark]: what must be known about a draft."""

    draft: Short
    warning: Annotated[str, AfterValidator(_Holds(("algorithm", "version")))]
    limits: Text
    sides_by_the_middle: Text
    dropped: Newer = None
    orientation_unknown: Text
    side_by_look: Text | None = None  # language files of 0.3.0 lack it
    nominal_geometry: Text


_Word = Annotated[str | None, AfterValidator(_Holds(longest=16))]


class Title(Section):
    """
    [title]: what the objects are called.

    By kind of result in full; *answer* is the description of the not-judged report's series. Then how a list of
    series names the others: *series*, *series_no_finding*, and the words for the objects. Language files of 0.3.0
    lack these.
    """

    seg: Short
    seg_content: Short
    sr: Short
    text: Short
    secondary_capture: Short
    presentation_state: Short
    answer: Short
    series: Annotated[str | None, AfterValidator(_Holds(("object", "sides"), longest=40))] = None
    series_no_finding: Annotated[str | None, AfterValidator(_Holds(("object",), longest=40))] = None
    mask: _Word = None
    report: _Word = None
    words: _Word = None
    picture: _Word = None
    outlines: _Word = None


class NotJudged(Section):
    """[answer]: for an image that was not judged."""

    not_judged: Annotated[str, AfterValidator(_Holds(("reason",)))]
    failed: Text


class Grammar(Section):
    """All that a language file holds."""

    code: Annotated[
        str,
        Field(
            pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
            description='be a tag of RFC 5646, as "de" or "pt-BR"',
        ),
    ]
    english_name: Text
    decimal_mark: Annotated[str, Field(pattern=r"^[.,]$", description='be "." or ","')]
    sentence: Sentence
    count: Count
    right_lung: Lung
    left_lung: Lung
    right_zone: Zone
    left_zone: Zone
    right: Side
    left: Side
    judgement: Judgement
    region: Region
    picture: Picture = Picture()
    remark: Remark
    title: Title
    answer: NotJudged
    reason: Annotated[
        dict[str, Text],
        AfterValidator(_has_other),
        Field(description='have the key "other", for reasons unlisted'),
    ]
    ascii: dict[str, str]


def problems(errors: list[ErrorDetails]) -> Iterator[str]:
    """Describe each problem of a language file in one line: the key, its value, and what would be right."""
    return toml_table.problems(errors, fields=_fields, rule=_rule)


def doubts(grammar: Grammar) -> Iterator[str]:
    """Say what single texts cannot show: sides mixed up, two things that read the same, "not judged" as normal."""
    yield from _side_doubts(grammar)
    judgements = {key: getattr(grammar.judgement, key) for key in ("present", "absent", "undetermined")}
    for table, texts in (
        ("count", dict(grammar.count)),
        ("right_zone", dict(grammar.right_zone)),
        ("left_zone", dict(grammar.left_zone)),
        ("judgement", judgements),
    ):
        yield from _repeated(table, texts)
    whole = grammar.sentence.none.casefold().rstrip(".")
    healthy = whole.split(";")[0]  # the first clause alone says it too
    for table, texts in (
        ("answer", dict(grammar.answer)),
        ("reason", grammar.reason),
        ("title", {"answer": grammar.title.answer}),
    ):
        for key, value in texts.items():
            if healthy in value.casefold():
                yield f"[{table}] {key} is {value!r}, which says [sentence] none; say that it was not judged"


def _repeated(table: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Say each text of a table that stands there twice."""
    first: dict[str, str] = {}
    for key, value in texts.items():
        if value in first:
            yield f"[{table}] {key} is {value!r}, as {first[value]} is; give each its own words"
        first.setdefault(value, key)


def _side_doubts(grammar: Grammar) -> Iterator[str]:
    """Say each text about one lung that lacks its side's mark or has the other's: the worst of all mistakes."""
    for side, other in (("right", "left"), ("left", "right")):
        mine, foreign = (getattr(grammar, name).mark.casefold() for name in (side, other))
        for table in (side, f"{side}_lung", f"{side}_zone"):
            for key, value in getattr(grammar, table):
                if value is None:  # a text that this file lacks
                    continue
                if mine not in value.casefold() or foreign in value.casefold():
                    yield (
                        f"[{table}] {key} is {value!r}; it must contain {mine!r} ([{side}] mark) "
                        f"and not {foreign!r} ([{other}] mark)"
                    )
        of_both = [
            ("sentence", key, getattr(grammar.sentence, key)) for key in ("none", "one_lung", "both_lungs")
        ]
        of_both += [("count", key, value) for key, value in grammar.count]
        for table, key, value in of_both:
            if mine in re.sub(r"{.*?}", "", value).casefold():
                yield f"[{table}] {key} is {value!r}; it is said of either lung: take out {mine!r} ([{side}] mark)"


def _fields(place: Place) -> Mapping[str, FieldInfo]:
    """Give the known keys of a table; none where its keys are free."""
    if not place:
        return Grammar.model_fields
    table = Grammar.model_fields[str(place[0])].annotation
    return table.model_fields if isinstance(table, type) and issubclass(table, BaseModel) else {}


def _rule(place: Place) -> str:
    """Describe what would be right at *place*."""
    field = _fields(place[:-1]).get(str(place[-1]))
    if field is None:  # of a table whose keys are free
        return _Holds().rule
    validators = [item.func for item in field.metadata if isinstance(item, AfterValidator)]
    rules = [check.rule for check in validators if isinstance(check, _Holds)]
    return rules[0] if rules else field.description or "be a table"
