"""Our own command line as a child process; tests/widgets/models/test_tasks.py runs one."""

import sys

from napari_centermask.jobs.child import last_words, own_command, tail


def test_the_command_runs_on_this_python():
    assert own_command("models", "list") == [sys.executable, "-m", "napari_centermask", "models", "list"]


def test_the_end_of_a_long_log_is_read_and_a_missing_one_is_empty(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("x" * 10_000 + "\nü the end\n", encoding="utf-8")
    assert len(tail(log)) < 5000
    assert tail(log).endswith("ü the end\n")
    assert tail(tmp_path / "none.txt") == ""


def test_the_last_line_that_says_something_counts():
    assert last_words("Traceback\n  Error: no model.  \n\n \n") == "Error: no model."
    assert last_words("\n \n") == ""
