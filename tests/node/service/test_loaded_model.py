"""What runs the model is read_runtime to those who look at the node."""

from node.service.loaded_model import FILE, read_runtime, write_runtime


def test_what_was_told_last_is_read(tmp_path):
    """By the page and by `status`, each in a process of its own."""
    assert read_runtime(tmp_path) == ""
    write_runtime(tmp_path, "torch 2.14 on cuda:0, float16")
    write_runtime(tmp_path, "OpenVINO 2026.4.1 on cpu, float32, 8 threads")

    assert read_runtime(tmp_path) == "OpenVINO 2026.4.1 on cpu, float32, 8 threads"
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_stops_no_start(tmp_path):
    """It is for people only."""
    write_runtime(tmp_path / "missing", "x")

    assert read_runtime(tmp_path / "missing") == ""
