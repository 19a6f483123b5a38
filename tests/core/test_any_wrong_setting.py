"""Configuration: any wrong value stops the start with one line that names its key, and never with a traceback."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgseg_dicom.config import Config, Destination, Sender, WebDestination, load
from sgseg_dicom.errors import ConfigError

DIMSE = {"name": "A", "ae_title": "PACS", "host": "pacs.example", "port": 104}
SENDER = {"name": "A"}
LISTS = {"destination", "sender"}
WEB = {"name": "A", "protocol": "dicomweb", "url": "https://pacs.example/dicom-web"}
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=20)
VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.dates()
    | TEXTS
    | st.sampled_from(
        ["../x", "~", "a@b", "http://[", "https://pacs:99999", "[::1]", "utf-8\0", "undefined", "hex"]
    ),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=4,
)


def keys_of_all_sections() -> Iterator[tuple[str, dict[str, Any], str]]:
    """Give every key as it can stand in a file: section, the other keys that a table must have, key."""
    for section, field in Config.model_fields.items():
        if section not in LISTS:
            yield from ((section, {}, key) for key in field.annotation.model_fields)
    for others, kind in ((DIMSE, Destination), (WEB, WebDestination)):
        yield from (("destination", others, key) for key in kind.model_fields if key != "protocol")
    yield from (("sender", SENDER, key) for key in Sender.model_fields)


def toml(value: Any) -> str:
    """Write a value; TOML's basic strings are JSON's."""
    match value:
        case dict():
            return (
                "{"
                + ", ".join(
                    f"{json.dumps(key, ensure_ascii=False)} = {toml(one)}" for key, one in value.items()
                )
                + "}"
            )
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case date():
            return value.isoformat()
        case float():
            return str(value)
    return json.dumps(value, ensure_ascii=False)


PLACES = list(keys_of_all_sections())
NUMBERS = [
    (section, key, {type(bound).__name__.lower(): bound for bound in field.metadata})
    for section, part in Config.model_fields.items()
    if section not in LISTS
    for key, field in part.annotation.model_fields.items()
    if field.annotation in (int, float)
]


def complaint(text: str, folder: Path) -> str | None:
    """Load settings; give what is wrong with them."""
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    try:
        load(file)
    except ConfigError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("settings")


@settings(max_examples=400)
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_any_value_is_taken_or_refused_by_the_name_of_its_key(folder, place, value):
    """Of any type and depth: no other error than ours, and no line that leaves the reader to guess."""
    section, others, key = place
    heading = f"[[{section}]]" if section in LISTS else f"[{section}]"
    lines = [f"{name} = {toml(given)}" for name, given in (others | {key: value}).items()]

    message = complaint("\n".join([heading, *lines]), folder)

    if message is not None:
        assert message.startswith(heading)
        assert key in message


@given(place=st.sampled_from(NUMBERS), beyond=st.floats(1e-3, 1e12), below=st.booleans())
def test_a_number_out_of_its_range_is_refused_with_the_range(folder, place, beyond, below):
    """Below the least or above the most that a key may have."""
    section, key, bounds = place
    value = bounds["ge"].ge - beyond if below else bounds["le"].le + beyond

    message = complaint(f"[{section}]\n{key} = {value}", folder)

    assert message is not None
    assert message.startswith(f"[{section}] {key} is {value}; it must ")


@given(name=TEXTS.filter(lambda name: name not in Config.model_fields), value=VALUES)
def test_a_section_that_nobody_knows_is_refused_by_its_name(folder, name, value):
    """A typing error in a heading does not leave all its keys without effect."""
    message = complaint(f"{json.dumps(name, ensure_ascii=False)} = {toml(value)}", folder)

    assert message is not None
    assert message.startswith(f"the file has unknown sections {[name]}; known: ")


@given(text=st.text(max_size=60) | st.binary(max_size=60).map(lambda content: content.decode("latin-1")))
def test_any_file_is_read_or_refused(folder, text):
    """TOML or not."""
    message = complaint(text.encode("utf-8", "replace").decode(), folder)

    assert message is None or message
