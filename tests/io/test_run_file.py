"""A command that was stopped goes on where it was; tests/cli/test_many_files.py has whole commands."""

from contextlib import suppress

import pytest

from napari_centermask.core.errors import CannotSave
from napari_centermask.io.run_file import RUN_FILE, open_run

COMMAND = {"command": "segment", "score": 0.5}


def stopped(folder, notes=(("a", 3), ("b", 4))):
    """A run that noted some items and was then interrupted."""
    with suppress(KeyboardInterrupt), open_run(folder, COMMAND, [folder / "x.tif"], overwrite=False) as run:
        run.begin()
        for key, value in notes:
            run.note(key, value)
        run.close(finished=False)
        raise KeyboardInterrupt


def test_the_same_command_finds_what_was_done_and_a_torn_line_costs_only_itself(tmp_path):
    stopped(tmp_path)
    with (tmp_path / RUN_FILE).open("ab") as file:
        file.write(b'{"key": "c", "val')
    with open_run(tmp_path, COMMAND, [], overwrite=False) as run:
        assert run.is_continued
        assert run.done == {"a": 3, "b": 4}
        assert run.planned == [str(tmp_path / "x.tif")]
        run.begin()
        run.note("c", 5)
        run.close(finished=False)
    with open_run(tmp_path, COMMAND, [], overwrite=False) as run:
        assert run.done == {"a": 3, "b": 4, "c": 5}
        run.begin()
        run.close(finished=True)
    assert not (tmp_path / RUN_FILE).exists()


def test_another_command_begins_only_if_it_may_overwrite(tmp_path):
    stopped(tmp_path)
    other = COMMAND | {"score": 0.7}
    with pytest.raises(CannotSave, match="after 2 of its files"), open_run(tmp_path, other, [], overwrite=False):
        pass
    with open_run(tmp_path, other, [], overwrite=True) as run:
        assert not run.is_continued
        assert run.done == {}


def test_a_folder_that_was_made_for_nothing_goes_again(tmp_path):
    with open_run(tmp_path / "new", COMMAND, [], overwrite=False):
        assert (tmp_path / "new").is_dir()
    assert not (tmp_path / "new").exists() or list((tmp_path / "new").iterdir())
