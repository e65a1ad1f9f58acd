"""A part of a large image's cells is corrected and put back, and nothing is lost, whatever stops it."""

import errno
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from large_field import SHAPE, assert_consistent, disc, everything, field_cells, write_field
from napari_centermask.core.errors import BadAnnotations, CannotSave
from napari_centermask.core.instances import Instance
from napari_centermask.io import large_cells, whole_file
from napari_centermask.io.formats import cell_correction, ome_zarr_arrays
from napari_centermask.io.formats.cell_correction import NOTE
from napari_centermask.io.formats.cells_on_disk import CellsOnDisk
from napari_centermask.io.formats.ome_zarr import read
from napari_centermask.io.formats.ome_zarr_arrays import CHUNK
from napari_centermask.io.large_cells import STATE, LargeForm, LargePlaces, LargeWriter
from napari_centermask.io.large_part import LargeCorrection
from napari_centermask.io.zarr_groups import attributes, open_group

pytest.importorskip("zarr")
pytest.importorskip("pyarrow")
CORNER = (CHUNK - 4, CHUNK - 4, CHUNK + 4, CHUNK + 4)


def equal(a, b):
    return a.keys() == b.keys() and all(a[id].equals(b[id]) for id in a)


def change(correction, part):
    """Delete a cell, cut one, give one another category, and draw a new one over two others; returns what is expected."""
    result, at = part.result(correction.source), part.inside
    y0, x0, _, _ = part.window
    ids = list(part.cells)
    result.set(at, ids[0], None)
    second = result.get(at, ids[1])
    cut = Instance.from_mask(second.mask[9:, 2:], (second.y0 + 9, second.x0 + 2), id=second.id, status="corrected")
    result.set(at, ids[1], cut)
    result.set(at, ids[2], replace(result.get(at, ids[2]), category=2))
    r = min(result.shape) // 2 - 1
    new = replace(disc(result.new_id(), r, r, r), status="accepted", source="manual")
    result.set(at, new.id, new)
    inside = {c.id: replace(c, y0=c.y0 + y0, x0=c.x0 + x0) for c in result.plane(at)}
    outside = {id: c for id, c in everything(correction.source, part.index).items() if id not in part.cells}
    return result, outside | inside


def test_a_part_has_the_cells_that_the_box_meets_whole(tmp_path):
    correction = LargeCorrection(write_field(tmp_path).cells)
    part = correction.take((498, 498, 502, 502))
    assert list(part.cells) == [2, 3]
    assert part.window == (480, 480, 526, 541)
    result = part.result(correction.source)
    assert result.shape == (46, 61)
    assert result.get((), 3).box == (5, 20, 46, 61)
    assert np.array_equal(result.get((), 2).mask, field_cells()[1].mask)
    assert result.categories == {1: "cell", 2: "dead"}
    assert result.new_id() == 10
    correction.end()


def test_a_box_beyond_the_image_is_cut(tmp_path):
    correction = LargeCorrection(write_field(tmp_path).cells)
    assert correction.take((-50, -50, 60, 10)).window == (0, 0, 60, 51)
    assert correction.take((-50, -50, 5000, 5000)).window == (0, 0, *SHAPE)
    correction.end()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("box", [CORNER, (490, 490, 560, 530)], ids=["corner of chunks", "inside one"])
def test_what_was_changed_is_on_the_disk(tmp_path, version, box):
    places = write_field(tmp_path, version=version)
    correction = LargeCorrection(places.cells)
    result, expected = change(correction, correction.take(box))
    assert correction.put(result) == 4
    assert correction.put(result) == 0
    correction.end()
    assert equal(everything(CellsOnDisk.open(places.cells)), expected)
    assert_consistent(places.cells)
    assert not (places.cells / NOTE).exists()
    (whole,) = read(places.cells).results
    assert {c.id for c in whole.plane(())} == set(expected)
    assert whole.last_id == 10
    again = LargeCorrection(places.cells)
    assert again.take(box).result(again.source).new_id() == 11
    again.end()


def test_what_was_corrected_is_as_a_run_writes_it(tmp_path):
    places = write_field(tmp_path / "a")
    correction = LargeCorrection(places.cells)
    result, expected = change(correction, correction.take(CORNER))
    correction.put(result)
    correction.end()
    whole = everything(CellsOnDisk.open(places.cells))
    fresh = everything(CellsOnDisk.open(write_field(tmp_path / "b", {(): list(expected.values())}).cells))
    assert equal(whole, fresh)
    rows = {row["id"]: row for row in CellsOnDisk.open(places.cells).table.rows()}
    others = {row["id"]: row for row in CellsOnDisk.open(tmp_path / "b" / places.cells.name).table.rows()}
    for id, row in rows.items():
        assert {k: v for k, v in row.items() if k != "label_image"} == {
            k: v for k, v in others[id].items() if k != "label_image"
        }


def test_a_cell_goes_to_the_first_label_image_where_nothing_is_in_its_way_also_of_cells_that_were_not_taken(tmp_path):
    places = write_field(tmp_path)
    correction = LargeCorrection(places.cells)
    part = correction.take((485, 485, 490, 490))
    assert list(part.cells) == [2]
    result = part.result(correction.source)
    cell = result.get((), 2)
    result.set((), 2, replace(cell, mask=np.ones_like(cell.mask)))
    for _ in range(3):
        id = result.new_id()
        result.set((), id, replace(cell, id=id))
    correction.put(result)
    correction.end()
    source = CellsOnDisk.open(places.cells)
    images = {c.id: n for n, c in source.placed((0, 0, *SHAPE))}
    assert images[3] == 1
    assert sorted(images[id] for id in (2, 10, 11, 12)) == [0, 2, 3, 4]
    assert np.array_equal(everything(source)[3].mask, field_cells()[2].mask)
    names = attributes(open_group(places.cells)["labels"])["labels"]
    assert names == [f"cells_{n}" for n in range(5)]
    assert attributes(open_group(places.cells)["labels"]["cells_4"])["multiscales"][0]["name"] == "cells_4"
    assert_consistent(places.cells)


def test_planes_of_time_and_depth_are_corrected_alone(tmp_path):
    leading = (2, 3)
    planes = {index: field_cells(1 + 9 * n) for n, index in enumerate(np.ndindex(*leading))}
    places = write_field(tmp_path, planes, leading=leading, shape=(700, 1300))
    correction = LargeCorrection(places.cells)
    part = correction.take((490, 490, 560, 530), (1, 1))
    assert sorted(part.cells) == [38, 39, 45]
    result, expected = change(correction, part)
    assert result.leading == (1, 1)
    correction.put(result)
    correction.end()
    source = CellsOnDisk.open(places.cells)
    assert equal(everything(source, (1, 1)), expected)
    for index in np.ndindex(*leading):
        if index != (1, 1):
            assert len(everything(source, index)) == len([c for c in planes[index] if c.box[2] <= 700])
    assert_consistent(places.cells)


def test_rejected_cells_and_those_below_the_threshold_are_erased(tmp_path):
    places = write_field(tmp_path)
    correction = LargeCorrection(places.cells)
    part = correction.take((490, 490, 560, 530))
    result = part.result(correction.source)
    result.set((), 9, replace(result.get((), 9), status="rejected"))
    result.threshold = 0.8
    assert correction.put(result) == 2
    correction.end()
    assert sorted(everything(CellsOnDisk.open(places.cells))) == [1, 3, 4, 5, 6, 7, 8]


def test_reviewed_rectangles_and_categories_are_kept_with_the_cells(tmp_path):
    places = write_field(tmp_path)
    correction = LargeCorrection(places.cells)
    result = correction.take((490, 490, 560, 530)).result(correction.source)
    result.set_reviewed((), [(0, 0, 40, 50)])
    result.categories[3] = "bud"
    assert correction.put(result) == 0
    correction.end()
    (whole,) = read(places.cells).results
    assert whole.reviewed(()) == ((480, 480, 520, 530),)
    assert whole.categories == {1: "cell", 2: "dead", 3: "bud"}
    again = LargeCorrection(places.cells)
    result = again.take((490, 490, 510, 510)).result(again.source)
    assert result.reviewed(()) == ((0, 0, 40, 50),)
    result.set_reviewed((), [])
    again.put(result)
    again.end()
    assert read(places.cells).results[0].reviewed(()) == ()


class Killed(BaseException):
    """The process ends here."""


def writes(monkeypatch, stop_at, error):
    """Count the files that come or go in the folder; raise an error at one of them, before or after it."""
    counted = [0]

    def counting(real):
        def act(*arguments, **options):
            counted[0] += 1
            if counted[0] == stop_at:
                raise error
            done = real(*arguments, **options)
            counted[0] += 1
            if counted[0] == stop_at:
                raise error
            return done

        return act

    monkeypatch.setattr(whole_file, "_name", counting(whole_file._name))
    monkeypatch.setattr(cell_correction, "_remove_note", counting(cell_correction._remove_note))
    monkeypatch.setattr(shutil, "rmtree", counting(shutil.rmtree))
    return counted


@pytest.fixture
def small(monkeypatch):
    """Writes a field in small chunks, four of which share a corner at (64, 64)."""
    for module in (ome_zarr_arrays, large_cells):
        monkeypatch.setattr(module, "CHUNK", 64)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power is cut here, and each takes 20 ms
    cells = [disc(1, 64, 64, 8), disc(2, 66, 66, 8), disc(3, 60, 66, 8), disc(4, 20, 20, 6)]
    return lambda folder, **form: write_field(folder, {(): cells}, shape=(80, 90), **form)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_kill_at_any_write_leaves_the_cells_as_before_or_as_corrected(tmp_path, monkeypatch, small, version):
    source = small(tmp_path / "made", version=version)
    before = everything(CellsOnDisk.open(source.cells))
    number, outcomes = 0, []
    while True:
        number += 1
        shutil.rmtree(tmp_path / "field", ignore_errors=True)
        shutil.copytree(tmp_path / "made", tmp_path / "field")
        path = tmp_path / "field" / source.cells.name
        correction = LargeCorrection(path)
        result, expected = change(correction, correction.take((62, 62, 66, 66)))
        try:
            with monkeypatch.context() as patch:
                writes(patch, number, Killed())
                correction.put(result)
        except Killed:
            pass
        else:
            break
        finally:
            correction.end()
        after = everything(CellsOnDisk.open(path))
        outcomes.append(equal(after, expected))
        assert outcomes[-1] or equal(after, before), f"write {number}"
        assert_consistent(path)
        assert not (path / NOTE).exists()
    assert len(outcomes) > 40
    assert outcomes == sorted(outcomes)
    assert outcomes.count(False) == 1


def test_a_full_disk_at_any_write_says_what_to_do_and_the_next_call_finishes(tmp_path, monkeypatch, small):
    source = small(tmp_path / "made")
    for number in (1, 3, 8, 30, 55, 60):
        shutil.rmtree(tmp_path / "field", ignore_errors=True)
        shutil.copytree(tmp_path / "made", tmp_path / "field")
        correction = LargeCorrection(tmp_path / "field" / source.cells.name)
        result, expected = change(correction, correction.take((62, 62, 66, 66)))
        with monkeypatch.context() as patch:
            writes(patch, number, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            with pytest.raises(CannotSave, match="Make room on the disk"):
                correction.put(result)
        at = correction.part.inside
        later = result.new_id()
        result.set(at, later, disc(later, 5, 5, 5))
        assert correction.put(result) == (5 if number == 1 else 1)
        correction.end()
        now = everything(CellsOnDisk.open(tmp_path / "field" / source.cells.name))
        assert now.keys() == {*expected, later}
        assert_consistent(tmp_path / "field" / source.cells.name)


def test_a_part_is_corrected_by_one_at_a_time(tmp_path):
    places = write_field(tmp_path)
    first = LargeCorrection(places.cells)
    with pytest.raises(
        CannotSave, match=r"A part of field_cells.ome.zarr is being corrected in another window of this napari"
    ):
        LargeCorrection(places.cells)
    assert len(CellsOnDisk.open(places.cells).cells((0, 0, *SHAPE))) == 9
    with pytest.raises(CannotSave, match="being corrected"):
        places.check_free()
    first.end()
    first.end()
    LargeCorrection(places.cells).end()
    places.check_free()


def test_a_run_that_is_not_finished_is_not_corrected(tmp_path):
    places = LargePlaces.named(tmp_path, "field")
    writer = LargeWriter(places, LargeForm("field", (), SHAPE, {1: "cell"}))
    writer.save({}, {})
    assert (places.cells / STATE).exists()
    with pytest.raises(BadAnnotations, match=r"is not finished.*Repeat that command until it ends"):
        LargeCorrection(places.cells)


def test_corrected_cells_are_not_segmented_over(tmp_path):
    places = write_field(tmp_path)
    correction = LargeCorrection(places.cells)
    result, expected = change(correction, correction.take(CORNER))
    correction.put(result)
    correction.end()
    with pytest.raises(CannotSave, match=r"cells that were corrected, and they are not replaced. Move field_cells"):
        LargeWriter(places, LargeForm("field", (), SHAPE, {1: "cell"}))
    assert equal(everything(CellsOnDisk.open(places.cells)), expected)


def test_a_folder_that_was_written_anew_meanwhile_is_left_alone(tmp_path):
    places = write_field(tmp_path / "a")
    correction = LargeCorrection(places.cells)
    result, _ = change(correction, correction.take(CORNER))
    shutil.rmtree(tmp_path / "a")
    write_field(tmp_path / "a", {(): field_cells()[:5]})
    with pytest.raises(BadAnnotations, match=r"was written anew.*Save cells"):
        correction.put(result)
    assert len(everything(CellsOnDisk.open(places.cells))) == 5
    correction.end()


def test_a_correction_that_cannot_be_finished_is_said_before_anything_is_read(tmp_path, monkeypatch):
    places = write_field(tmp_path)
    correction = LargeCorrection(places.cells)
    result, expected = change(correction, correction.take(CORNER))
    with monkeypatch.context() as patch:
        writes(patch, 5, Killed())
        with pytest.raises(Killed):
            correction.put(result)
    for reader in (CellsOnDisk.open, read):
        with pytest.raises(BadAnnotations, match=r"correction that is not completely written.*being corrected in"):
            reader(places.cells)
    correction.end()
    assert equal(everything(CellsOnDisk.open(places.cells)), expected)
