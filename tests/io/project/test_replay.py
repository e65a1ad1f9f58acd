"""What a journal holds beyond the files is found again."""

from __future__ import annotations

from strokes import assert_same, draw, reopened, square, state

from napari_centermask.core.tools import delete, split_line, to_changes
from napari_centermask.io.project import Project


def test_every_edit_undo_and_redo_is_found_again_without_saving(folder):
    project = Project.open(folder)
    draw(project, 1, square(3, 4, 20, 30))
    draw(project, 1, square(30, 4, 50, 30))
    result, history = project.result(1), project.history(1)
    history.do("split", to_changes(split_line(result.plane(()), 1, [(0, 10), (40, 10)]), (), result))
    history.undo()
    history.redo()
    history.do("delete", to_changes(delete(result.plane(()), [2]), (), result))
    project.set_status(3, "reviewed")
    project.set_group(2, "dish 1")
    again = reopened(project)
    assert_same(state(again), state(project))
    assert again.recovered == 7
    assert again.status(1) == "in work"
    assert again.status(3) == "reviewed"
    assert again.image(2).group == "dish 1"
    assert again.result(1).new_id() > 3
    again.save()
    again.close()
    with Project.open(folder) as third:
        assert third.recovered == 0
        assert_same(state(third), state(project))


def test_a_crash_between_the_two_files_and_the_journal_applies_nothing_twice(folder):
    project = Project.open(folder)
    draw(project, 1, square(3, 4, 20, 30))
    project._journal.sync()
    journal = (folder / "journal.jsonl").read_bytes()
    project.save()
    (folder / "journal.jsonl").write_bytes(journal)  # as if the process died before the journal was emptied
    again = reopened(project)
    assert again.recovered == 0
    assert len(again.result(1)) == 1
    assert draw(again, 1, square(40, 40, 50, 50)) is not None
    third = reopened(again)
    assert third.recovered == 1
    assert len(third.result(1)) == 2
    third.close()


def test_recovered_edits_can_be_refused(folder):
    project = Project.open(folder)
    draw(project, 1, square(3, 4, 20, 30))
    project.save()
    draw(project, 1, square(30, 4, 40, 30))
    again = reopened(project)
    assert (again.recovered, len(again.result(1))) == (1, 2)
    again = again.discard_recovered()
    assert (again.recovered, len(again.result(1))) == (0, 1)
    assert (folder / "journal discarded.jsonl").stat().st_size > 0
    again.close()
