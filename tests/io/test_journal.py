"""The journal: what was appended is read again, whatever happened to the file."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from edited import SHAPE, json_values, many_changes
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_centermask.core.history import Change, Edit, History, RegionChange
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.core.tools import delete, new_cell, to_changes
from napari_centermask.io.edits import MANY, record_of, state_of
from napari_centermask.io.journal import Journal, read_journal


def random_edits(n, seed=0, leading=(2,)):
    """A result and `n` edits made on it."""
    rng = np.random.default_rng(seed)
    result = Result(SHAPE, leading=leading)
    history, edits = History(result), []
    history.listen(edits.append)
    while len(edits) < n:
        plane = tuple(int(rng.integers(k)) for k in leading)
        cells = result.plane(plane)
        if len(cells) > 4 and rng.random() < 0.4:
            pairs = delete(cells, [int(rng.choice(cells.ids))])
        else:
            y, x = rng.integers(0, 30, 2)
            mask = rng.random((8, 9)) < 0.6
            mask[3, 3] = True
            pairs = new_cell(cells, mask, (int(y), int(x)), score=float(rng.random()), source="a “name”")
        regions = [RegionChange(plane, result.reviewed(plane), ((0, 0, 5, int(rng.integers(1, 50))),))]
        history.do("edit", to_changes(pairs, plane, result), regions=regions if rng.random() < 0.2 else ())
        if rng.random() < 0.2:
            history.undo()
    return result, edits[:n] if len(edits) == n else edits


def replayed(contents, leading=(2,)):
    result = Result(SHAPE, leading=leading)
    for record in contents.records:
        state_of(record, result).apply(result)
    return result


def assert_same(a: Result, b: Result) -> None:
    cells = [{(k, c.id): c for k, p in r.planes.items() for c in p} for r in (a, b)]
    assert cells[0].keys() == cells[1].keys()
    assert all(cells[0][k].equals(cells[1][k]) for k in cells[0])
    assert a.reviewed_planes == b.reviewed_planes


def test_all_edits_are_read_again_to_the_bit(tmp_path):
    result, edits = random_edits(60)
    journal = Journal(tmp_path / "j.jsonl")
    numbers = [journal.append(3, edit) for edit in edits]
    assert numbers == list(range(1, len(edits) + 1))
    contents = read_journal(tmp_path / "j.jsonl")  # without waiting: the death of the process loses nothing
    assert_same(replayed(contents), result)
    assert journal.close()
    assert read_journal(tmp_path / "j.jsonl") == contents
    assert (contents.unreadable, contents.torn, contents.last) == (0, False, len(edits))


def test_numbers_of_numpy_are_written_as_any_others(tmp_path):
    cell = Instance(np.int64(3), np.int32(1), np.int64(2), np.ones((2, 2), bool), np.int16(1), np.float32(0.5))
    edit = Edit(
        "x",
        (Change((np.int64(1),), np.int64(3), None, cell),),
        (RegionChange((np.int8(0),), (), ((0, 0, np.int64(3), 4),)),),
    )
    journal = Journal(tmp_path / "j.jsonl")
    journal.append(1, edit)
    journal.close()
    assert replayed(read_journal(tmp_path / "j.jsonl")).get((1,), 3).equals(cell)


def test_replaying_twice_changes_nothing(tmp_path):
    result, edits = random_edits(40, seed=2)
    journal = Journal(tmp_path / "j.jsonl")
    for edit in edits:
        journal.append(1, edit)
    journal.close()
    contents = read_journal(tmp_path / "j.jsonl")
    again = replayed(contents)
    for record in contents.records:
        state_of(record, again).apply(again)
    assert_same(again, result)


def test_a_large_edit_and_the_small_ones_after_it_stay_in_order(tmp_path):
    result = Result(SHAPE)
    history = History(result)
    journal = Journal(tmp_path / "j.jsonl")
    history.listen(lambda edit: journal.append("a", edit))
    many = [(None, Instance(0, k % 30, k // 30, np.ones((2, 2), bool))) for k in range(3 * MANY)]
    history.do("run", to_changes(many, (), result))
    for id in (5, 6, 7):
        history.do("delete", to_changes(delete(result.plane(()), [id]), (), result))
    assert journal.sync()
    assert_same(replayed(read_journal(tmp_path / "j.jsonl"), ()), result)
    journal.close()


def test_an_edit_of_many_cells_is_in_the_file_when_it_is_done(tmp_path, monkeypatch):
    """By the thread that edits: a kill at any later time loses nothing of it."""
    monkeypatch.setattr(Journal, "_run", lambda self: None)
    edit = Edit("run", tuple(many_changes()))
    Journal(tmp_path / "j.jsonl").append(1, edit)
    (record,) = read_journal(tmp_path / "j.jsonl").records
    assert len(state_of(record, Result(SHAPE, leading=(2,))).cells) == len(edit.changes)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_costs_only_itself_and_the_next_edit_is_safe(tmp_path, cut):
    _, edits = random_edits(3)
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    for edit in edits:
        journal.append(1, edit)
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    contents = read_journal(path)
    assert (len(contents.records), contents.unreadable) == (3 if cut == 1 else 2, 0)
    assert contents.torn
    journal = Journal(path, start=contents.last)
    journal.append(1, edits[0])
    journal.close()
    again = read_journal(path)
    assert len(again.records) == len(contents.records) + 1
    assert again.unreadable == 0  # the stroke in progress when the process died is no damage
    path.write_bytes(path.read_bytes()[: len(whole) - cut + 1])  # killed while it ended the torn line
    Journal(path, start=contents.last).close()
    journal = Journal(path, start=contents.last)
    journal.append(1, edits[0])
    journal.close()
    assert read_journal(path).records == again.records
    assert read_journal(path).unreadable == 0


def test_what_is_safe_elsewhere_is_dropped_and_newer_edits_stay(tmp_path):
    _, edits = random_edits(10)
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    for edit in edits[:6]:
        journal.append(1, edit)
    journal.drop(4)
    assert [r["n"] for r in read_journal(path).records] == [5, 6]
    journal.append(1, edits[6])
    assert [r["n"] for r in read_journal(path).records] == [5, 6, 7]
    journal.drop(7)
    assert path.read_bytes() == b""
    assert journal.append(1, edits[7]) == 8
    assert journal.sync()
    journal.close()
    assert [r["n"] for r in read_journal(path).records] == [8]


def test_a_file_that_may_not_grow_keeps_edits_in_memory_and_whole_lines_on_the_disk(tmp_path):
    """The limit of the operating system for the size of files stands for a full disk."""
    resource = pytest.importorskip("resource")
    result, edits = random_edits(30, seed=5)
    path, messages = tmp_path / "j.jsonl", []
    journal = Journal(path, on_problem=messages.append)
    for edit in edits[:10]:
        journal.append(1, edit)
    assert journal.sync()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
    try:
        for edit in edits[10:20]:
            journal.append(1, edit)
        assert not journal.sync()
        with journal._changed:  # between two attempts of its thread
            contents = read_journal(path)
        assert (len(contents.records), contents.unreadable, contents.torn) == (10, 0, False)
        assert "Make room" in journal.problem
        assert messages == [journal.problem]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for edit in edits[20:]:
        journal.append(1, edit)
    assert journal.close()
    assert journal.problem == ""
    assert messages[-1] == ""
    assert_same(replayed(read_journal(path)), result)


def test_a_disk_that_stays_full_does_not_keep_the_program_open(tmp_path, monkeypatch):
    _, edits = random_edits(2)
    journal = Journal(tmp_path / "j.jsonl")
    monkeypatch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    journal.append(1, edits[0])
    assert not journal.close()
    assert "Input/output error" in journal.problem
    assert len(read_journal(tmp_path / "j.jsonl").records) == 1


def test_lines_that_are_not_records_are_counted_and_skipped(tmp_path):
    _, edits = random_edits(2)
    lines = [json.dumps({"n": k + 1, "image": 1, **record_of(e)}) for k, e in enumerate(edits)]
    path = tmp_path / "j.jsonl"
    path.write_text(
        "\n".join([lines[0], "[" * 100_000, "", '{"n": true}', '{"n": 1e400}', "\x00\xff", "null", lines[1], ""])
    )
    contents = read_journal(path)
    assert [r["n"] for r in contents.records] == [1, 2]
    assert contents.unreadable == 5
    assert read_journal(tmp_path / "none").records == ()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400) | st.lists(json_values.map(json.dumps), max_size=4).map(lambda x: "\n".join(x).encode()))
def test_hostile_files_are_read_without_a_crash(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("hostile") / "j.jsonl"
    path.write_bytes(content)
    contents = read_journal(path)
    assert all(type(r["n"]) is int for r in contents.records)
    journal = Journal(path, start=contents.last)
    _, edits = random_edits(1)
    journal.append(1, edits[0])
    journal.close()
    assert read_journal(path).records[-1]["n"] == contents.last + 1
