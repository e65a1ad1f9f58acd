"""Work on single images comes back after a crash, once it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from napari_centermask.core.history import History, RegionChange
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.core.tools import delete, new_cell, to_changes
from napari_centermask.io import recovery
from napari_centermask.io.journal import read_journal
from napari_centermask.io.recovery import JOURNAL, Autosave, find_recovered, forget_old, recovery_folder

SHAPE = (40, 50)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))


def form(leading=(2,)):
    return Result(SHAPE, leading=leading)


def draw(history, y, x, plane=(0,)):
    result = history.result
    return history.do("new", to_changes(new_cell(result.plane(plane), np.ones((4, 5), bool), (y, x)), plane, result))


def assert_same(a, b):
    cells = [{(k, c.id): c for k, p in r.planes.items() for c in p} for r in (a, b)]
    assert cells[0].keys() == cells[1].keys()
    assert all(cells[0][k].equals(cells[1][k]) for k in cells[0])
    assert a.reviewed_planes == b.reviewed_planes


def test_what_was_drawn_is_offered_and_restored_as_one_edit():
    history = History(form())
    draw(history, 1, 1)  # before the journal: the snapshot has it
    autosave = Autosave("/data/a.tif", history)
    assert not recovery_folder().exists()
    draw(history, 10, 10)
    draw(history, 20, 20, (1,))
    history.undo()
    history.do("region", regions=[RegionChange((1,), (), ((0, 0, 5, 5),))])
    history.do("delete", to_changes(delete(history.result.plane((0,)), [1]), (0,), history.result))
    history.result.categories[2] = "dead"
    draw(history, 30, 30)
    assert find_recovered("/data/a.tif", form()) is None  # this window still works on it
    autosave.close()
    recovered = find_recovered("/data/a.tif", form())
    assert_same(recovered.result, history.result)
    assert recovered.edits == 6
    fresh = History(form())
    draw(fresh, 0, 0)
    recovered.restore(fresh)
    assert_same(fresh.result, history.result)
    assert fresh.result.categories[2] == "dead"
    fresh.undo()
    assert [c.box for c in fresh.result] == [(0, 0, 4, 5)]
    assert find_recovered("/data/b.tif", form()) is None
    assert find_recovered("/data/a.tif", form(leading=())) is None
    recovered.discard()
    assert find_recovered("/data/a.tif", form()) is None


def test_saved_work_is_not_offered_and_later_edits_are():
    history = History(form())
    autosave = Autosave("a", history)
    draw(history, 1, 1)
    autosave.saved()
    assert find_recovered("a", form()) is None
    draw(history, 10, 10)
    autosave.close()
    assert_same(find_recovered("a", form()).result, history.result)


def test_two_windows_on_one_image_keep_their_own_work():
    first, second = History(form()), History(form())
    saves = [Autosave("a", first), Autosave("a", second)]
    draw(first, 1, 1)
    draw(second, 10, 10)
    draw(second, 20, 20)
    for save in saves:
        save.close()
    assert len(list(recovery_folder().iterdir())) == 2
    latest = find_recovered("a", form())
    assert_same(latest.result, second.result)
    latest.discard()
    assert_same(find_recovered("a", form()).result, first.result)


def test_work_that_was_not_asked_for_is_offered_again_after_new_work():
    old, new = History(form()), History(form())
    for history in (old, new):
        autosave = Autosave("a", history)
        draw(history, len(list(recovery_folder().glob("*"))), 1)
        autosave.close()
    recovered = find_recovered("a", form())
    assert_same(recovered.result, new.result)
    recovered.discard()
    assert_same(find_recovered("a", form()).result, old.result)


def test_restored_work_is_written_down_again_and_offered_once():
    history = History(form())
    autosave = Autosave("a", history)
    draw(history, 1, 1)
    autosave.close()
    fresh = History(form())
    autosave = Autosave("a", fresh)
    find_recovered("a", form()).restore(fresh)
    autosave.close()
    recovered = find_recovered("a", form())
    assert_same(recovered.result, fresh.result)
    recovered.discard()
    assert find_recovered("a", form()) is None


def test_a_killed_process_leaves_its_work(tmp_path):
    script = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from test_recovery import Autosave, History, draw, form
history = History(form())
Autosave("a", history)
for k in range(8):
    draw(history, 4 * k, 3 * k)
os.kill(os.getpid(), signal.SIGKILL)
"""
    here = os.path.dirname(__file__)
    done = subprocess.run([sys.executable, "-c", script, here], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert len(find_recovered("a", form()).result) == 8


def test_a_full_disk_is_reported_and_the_edit_stays(monkeypatch):
    messages = []
    history = History(form())
    autosave = Autosave("a", history, on_problem=messages.append)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recovery.os, "write", refuse)
    draw(history, 1, 1)
    assert len(history.result) == 1
    assert "No space left" in autosave.problem
    assert messages
    monkeypatch.undo()


def test_damaged_and_old_work_does_no_harm():
    history = History(form())
    autosave = Autosave("a", history)
    draw(history, 1, 1)
    autosave.close()
    (folder,) = recovery_folder().iterdir()
    (folder / "about.json").write_text("[" * 5000)
    with (folder / JOURNAL).open("ab") as stream:
        stream.write(b'{"n": 2, "cells": [[[9], 1, null]]}\n{"n":\n')
    assert find_recovered("a", form()).edits == 1
    os.utime(folder / JOURNAL, (0, 0))
    forget_old()
    assert list(recovery_folder().iterdir()) == []
    forget_old()


def crowd(n):
    result = form(leading=())
    result.put((), Instances(SHAPE, [Instance(0, k % 36, k % 45, np.ones((4, 5), bool)) for k in range(n)]))
    return History(result)


def test_no_edit_waits_for_the_cells_before_it_and_all_of_them_follow():
    others = set(threading.enumerate())  # work that earlier tests left open, too
    history = crowd(400)
    autosave = Autosave("a", history)
    draw(history, 1, 1, ())
    written = read_journal(autosave._work.journal.path).records
    assert [list(map(len, r["cells"])) for r in written if r["name"] == "new"] == [[3]]
    assert len(written) < 4
    history.do("delete", to_changes(delete(history.result.plane(()), [400, 3]), (), history.result))
    autosave.close()
    recovered = find_recovered("a", form(leading=()))
    assert_same(recovered.result, history.result)
    assert recovered.edits == 2
    assert "first copy" not in [t.name for t in set(threading.enumerate()) - others]


def test_saving_at_once_forgets_the_cells_before_too():
    history = crowd(400)
    autosave = Autosave("a", history)
    draw(history, 1, 1, ())
    autosave.saved()
    assert find_recovered("a", form(leading=())) is None
    autosave.close()


def test_a_program_that_ends_writes_the_rest():
    script = """
import sys
import threading
sys.path.insert(0, sys.argv[1])
from test_recovery import Autosave, crowd, draw
history = crowd(2000)
Autosave("a", history)
draw(history, 1, 1, ())
"""
    done = subprocess.run([sys.executable, "-c", script, os.path.dirname(__file__)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(find_recovered("a", form(leading=())).result) == 2001
