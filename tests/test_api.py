"""What notebooks use: an image to cells, cells to arrays, tables and files."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import napari_centermask as ncm
from napari_centermask import api
from napari_centermask.core.errors import BadImage, BadSettings, TrainingFailed, UserError
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.formats.files import write_files
from napari_centermask.jobs import process


@pytest.fixture(scope="module")
def engine():
    return ncm.load_engine("nuclei", threads=1)


@pytest.fixture(scope="module")
def cells(engine):
    return ncm.segment(ncm.sample_image(), engine, name="sample")


def test_the_package_has_all_its_names_and_no_others():
    assert all(getattr(ncm, name) is not None for name in ncm.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        ncm.nothing  # noqa: B018


def test_labels_are_the_cells(cells):
    labels = cells.to_labels()
    assert labels.shape == ncm.sample_image().shape
    assert set(np.unique(labels)) - {0} == {c.id for c in cells}


def test_a_file_of_the_cells_reads_back_the_same(cells, tmp_path):
    (written,) = cells.save(tmp_path / "cells.json")
    (again,) = ncm.read_coco(written)
    assert again.result.plane(()).equals(cells.result.plane(()))
    document = tmp_path / "dumped.json"
    document.write_text(json.dumps(cells.to_coco()))
    (record,) = read_coco(document)
    assert record.instances.equals(cells.result.plane(()))
    with pytest.raises(BadSettings, match="format='coco'"):
        cells.save(tmp_path / "cells.xyz")


def test_the_table_has_a_row_for_each_cell_with_shape_and_intensities(cells):
    table = cells.regionprops_table(channel_names=["DAPI"])
    assert sorted(table["id"]) == sorted(c.id for c in cells)
    by_id = table.set_index("id")
    image = ncm.sample_image()
    for cell in cells:
        y, x, y1, x1 = cell.box
        assert by_id.loc[cell.id, "mean_DAPI"] == pytest.approx(image[y:y1, x:x1][cell.mask].mean())
        assert by_id.loc[cell.id, "area_px"] == cell.area
    with pytest.raises(BadSettings, match="1 channel"):
        cells.regionprops_table(channel_names=["a", "b"])


def test_cells_without_their_image_have_shapes_only(cells, tmp_path):
    cells.save(tmp_path / "cells.json")
    table = ncm.read_cells(tmp_path / "cells.json")[0].regionprops_table()
    assert len(table) == len(cells)
    assert not [name for name in table if name.startswith("mean")]


def test_a_stack_has_its_planes(engine):
    stack = np.stack([ncm.sample_image(), np.zeros_like(ncm.sample_image())])
    with pytest.warns(UserWarning, match=r"No cells in plane \(1,\)"):
        cells = ncm.segment(stack, engine, axes="ZYX")
    assert cells.to_labels().shape == stack.shape
    assert not cells.to_labels()[1].any()
    assert len(cells) > 10
    assert "2 x " in repr(cells)


def test_overlap_is_lost_in_labels_only(tmp_path):
    result = Result((20, 20))
    for id, x in ((1, 2), (2, 6)):
        result.set((), id, Instance.from_mask(np.ones((8, 8), bool), (5, x), id=id, score=1.0))
    cells = api.Cells(result)
    assert cells.to_labels().astype(bool).sum() == 8 * 12
    assert sum(c.area for c in cells) == 2 * 64
    assert list(cells.regionprops_table()["area_px"]) == [64, 64]
    with pytest.warns(UserWarning, match="of 2 cells, 1 lose"):
        cells.save(tmp_path / "cells_labels.tif")


def test_progress_ends_at_the_whole(engine):
    parts = []
    ncm.segment(ncm.sample_image(), engine, progress=lambda part, text: parts.append((part, text)))
    assert all(0 <= part <= 1 and text for part, text in parts)


def test_a_doubt_about_the_axes_names_the_argument_that_ends_it(engine):
    with pytest.warns(UserWarning, match=r"read as CYX\. If that is wrong, use axes='ZYX'\.$"):
        ncm.segment(np.stack([ncm.sample_image()[:64, :64]] * 3), engine, diameter=30)


def test_bad_input_is_named():
    with pytest.raises(BadSettings, match="score: .*, got 3"):
        ncm.segment(ncm.sample_image(), score=3)
    with pytest.raises(BadSettings, match=r"^percentiles: expected .*, got 99 1\.$"):
        ncm.segment(ncm.sample_image(), percentiles=(99, 1))
    with pytest.raises(BadSettings, match="colour"):
        ncm.segment(ncm.sample_image(), colour="red")
    with pytest.raises(BadImage, match="not complex"):
        ncm.segment(np.zeros((8, 8), complex))


@pytest.fixture
def annotated(tmp_path, cells):
    """A folder to fine-tune on: two crops of the sample, with its cells."""
    (tmp_path / "data" / "images").mkdir(parents=True)
    results = []
    for k, half in enumerate((ncm.sample_image()[:, :348], ncm.sample_image()[:, 348:])):
        name = f"{k}.png"
        Image.fromarray(half).save(tmp_path / "data" / "images" / name)
        found = ncm.segment(half, "nuclei", name=name)
        for cell in found:
            found.result.set((), cell.id, replace(cell, status="accepted"))
        results.append(found.result)
    write_files(tmp_path / "data" / "annotations.json", results, FORMATS["coco"])
    return tmp_path / "data"


def child(monkeypatch, *events):
    """Let the training be a process that prints these events."""
    lines = "\n".join(json.dumps({"time": 0, **event}) for event in events)
    monkeypatch.setattr(process, "command_line", lambda run: [sys.executable, "-c", f"print({lines!r})"])


def test_a_fine_tuning_returns_its_verdict(annotated, monkeypatch):
    verdict = {"event": "comparison", "recommended": True, "sentence": "AP rose by 0.2."}
    child(
        monkeypatch, {"event": "start", "step": 0}, {"event": "step", "step": 1}, verdict, {"event": "done", "step": 1}
    )
    seen = []
    done = ncm.fine_tune(annotated, steps=7, on_event=seen.append)
    assert (done.recommended, done.sentence, done.model) == (True, "AP rose by 0.2.", None)
    assert [e.event for e in seen] == ["start", "step", "comparison", "done"]
    assert json.loads((done.folder / "run.json").read_text())["steps"] == 7


def test_a_fine_tuning_that_fails_says_why(annotated, monkeypatch):
    child(
        monkeypatch,
        {"event": "start", "step": 0},
        {"event": "failed", "message": "The disk is full.", "reason": "disk"},
    )
    with pytest.raises(TrainingFailed, match="disk is full"):
        ncm.fine_tune(annotated)
    with pytest.raises(BadSettings, match="steps: "):
        ncm.fine_tune(annotated, steps=-1)


def test_a_name_that_is_taken_is_refused_before_the_training(annotated, monkeypatch):
    monkeypatch.setattr(api, "prepare", None)
    with pytest.raises(UserError, match="nuclei"):
        ncm.fine_tune(annotated, install="nuclei")


def test_label_images_of_an_ome_zarr_are_chosen_and_0_5_is_written_on_request(tmp_path):
    zarr = pytest.importorskip("zarr")
    labels = zarr.open_group(store=str(tmp_path / "a.zarr"), mode="w", zarr_format=2).create_group("labels")
    for n, name in enumerate(("cells", "nuclei")):
        labels.create_group(name).create_array("0", shape=(20, 24), dtype="int32")[2 : 5 + n, 2:6] = 1
    (cells,) = ncm.read_cells(tmp_path / "a.zarr", labels=["nuclei"])
    assert [c.area for c in cells] == [16]
    (cells,) = ncm.read_cells(tmp_path / "a.zarr")
    assert set(cells.categories.values()) == {"cells", "nuclei"}
    cells.save(tmp_path / "b.ome.zarr", "ome-zarr-0.5")
    assert (tmp_path / "b.ome.zarr" / "zarr.json").is_file()


def test_a_large_image_is_written_and_read_in_parts(engine, cells, tmp_path):
    pytest.importorskip("zarr")
    pytest.importorskip("pyarrow")
    dask = pytest.importorskip("dask.array")
    image = dask.from_array(ncm.sample_image(), chunks=128)
    parts = []
    large = ncm.segment_large(image, tmp_path, engine, name="sample", progress=lambda part, text: parts.append(part))
    expected = next(iter(cells.result.planes.values()))
    found = large.cells((100, 100, 300, 400))
    assert [c.id for c in found] == [c.id for c in expected.meeting((100, 100, 300, 400))]
    assert all(np.array_equal(c.mask, expected[c.id].mask) for c in found)
    assert len(list(large.table.rows())) == len(cells)
    assert parts[-1] == 1
    with pytest.raises(BadSettings, match="already exists"):
        ncm.segment_large(image, tmp_path, engine, name="sample")
    assert len(ncm.read_cells(tmp_path / "sample_cells.ome.zarr")[0]) == len(cells)
