"""The receiver's numbers reach other processes, and nothing depends on them."""

from pathlib import Path

from node.receive.figures import FILE, Figures, read_figures


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """The last state, whole."""
    figures = Figures(tmp_path)
    figures.write({"open now": 1})
    figures.write({"open now": 0, "let in: any": 3})

    assert read_figures(tmp_path) == {"open now": 0, "let in: any": 3}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_broken_file_or_none_is_no_number(tmp_path: Path) -> None:
    """A disk that was full."""
    assert read_figures(tmp_path) == {}
    for text in ("", "[]", '{"a": {}}', '{"a'):
        (tmp_path / FILE).write_text(text)
        assert read_figures(tmp_path) == {}
