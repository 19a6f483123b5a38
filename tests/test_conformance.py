"""docs/CONFORMANCE.md says what the code does."""

from docs.conformance import FILE, document


def test_the_conformance_statement_is_what_the_code_says() -> None:
    """A change of a constant, a setting or a result object is a change of the statement."""
    said = FILE.read_text(encoding="utf-8")

    assert said == document(), "run `python -m docs.conformance` and read what has changed"


def test_every_attribute_of_a_result_has_a_line() -> None:
    """The tables are read from objects: an attribute that only an encoder knows of is in them."""
    said = document()

    for line in (
        "(0018,1002) | > Device UID",
        "(0062,0002) | Segment Sequence",
        "(0040,A493) | Verification Flag",
    ):
        assert line in said
