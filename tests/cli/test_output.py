"""Files appear whole or not at all."""

import io
import os

import numpy as np
import pytest
import tifffile
from rich.console import Console

from napari_centermask import cli
from napari_centermask.cli import output
from napari_centermask.cli.output import Lasting, busy, check_free, check_writable, follow, whole_file, write_labels
from napari_centermask.core.errors import UserError


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with whole_file(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_a_finished_write_takes_the_name(tmp_path):
    with whole_file(tmp_path / "new" / "a.txt") as part:
        part.write_text("whole")
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"


@pytest.mark.parametrize(("largest", "dtype"), [(3, np.uint16), (65_535, np.uint16), (65_536, np.int32)])
def test_labels_come_back_in_the_smallest_type(tmp_path, largest, dtype):
    labels = np.array([[0, 1], [2, largest]], np.int32)
    write_labels(tmp_path / "a.tif", labels)
    read = tifffile.imread(tmp_path / "a.tif")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, labels)


def test_existing_files_are_named(tmp_path):
    (tmp_path / "a").touch()
    check_free([tmp_path / "b"], overwrite=False)
    check_free([tmp_path / "a"], overwrite=True)
    with pytest.raises(UserError, match="overwrite"):
        check_free([tmp_path / "a", tmp_path / "b"], overwrite=False)


def test_follow_returns_what_the_generator_returns():
    def steps():
        yield type("Progress", (), {"done": 1, "total": 2})
        return "result"

    assert follow(steps(), "work") == "result"


def test_what_takes_a_while_is_shown_on_a_terminal_and_nowhere_else(monkeypatch, capsys):
    with busy("Loading nuclei") as show:
        show("Comparing")
    assert capsys.readouterr() == ("", "")
    terminal = Console(force_terminal=True, file=io.StringIO())
    monkeypatch.setattr("rich.console.Console", lambda **_: terminal)
    with busy("Loading nuclei"):
        pass
    assert "Loading nuclei" in terminal.file.getvalue()
    with busy("Loading nuclei") as show:
        show("Comparing")
    assert "Comparing" in terminal.file.getvalue()


def test_a_place_that_cannot_be_written_to_is_reported_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    check_writable([None, tmp_path / "new" / "newer" / "a.txt", tmp_path / "file"])
    with pytest.raises(UserError, match="file is a file"):
        check_free([tmp_path / "file" / "a.txt"], overwrite=True)
    monkeypatch.setattr("os.access", lambda path, mode: False)  # tests may run as root, who may do all
    with pytest.raises(UserError, match="is read-only"):
        check_writable([tmp_path / "new" / "a.txt"])


def test_work_continues_if_nobody_reads_the_output():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        lasting = Lasting(stream)
        for _ in range(3):
            print("cells" * 100_000, file=lasting, flush=True)


def test_a_closed_pipe_ends_a_command_as_if_it_had_been_read(tmp_path):
    import subprocess
    import sys

    command = f"{sys.executable} -m napari_centermask models list | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("given", [("99", "1"), ("5", "5"), ("-1", "90"), ("1", "101")])
def test_percentiles_that_do_not_rise_are_refused(tmp_path, capsys, given):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((64, 64), np.uint8))
    tokens = ["segment", str(tmp_path / "a.tif"), "--out", str(tmp_path / "out"), f"--percentiles={given[0]}", given[1]]
    assert cli.run(tokens) == 2
    assert "percentiles" in capsys.readouterr().err


def test_results_go_to_standard_output_and_notices_do_not(capsys):
    output.notice("hello")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hello\n")
