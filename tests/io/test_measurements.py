"""The tables of measurements, read back with the csv module."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadImage, CannotSave, MissingExtra
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.measure import Background, measure
from napari_centermask.core.result import Result
from napari_centermask.io.measurements import CELL, Measured, counts_path, write_measurements
from napari_centermask.io.tables import as_text

SHAPE = (80, 90)


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(path, *images, **options):
    *_, last = [None, *write_measurements(path, images, **options)]
    assert (last.done, last.total) == (sum(i.result.n_visible() for i in images),) * 2 if last else True
    return rows(path), rows(counts_path(path))


@pytest.fixture
def stack(tmp_path, cells):
    """Three frames of two channels, with cells alive and dead, rejected and below the score."""
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 40_000, (3, 2, *SHAPE)).astype(np.uint16)
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "TCYX"})
    result = Result(SHAPE, leading=(3,), threshold=0.6, name="movie.tif")
    for t in (0, 2):
        instances = [
            replace(c, category=1 + (c.id % 3 == 0), probabilities=(0.7, 0.3) if c.id % 2 else ())
            for c in cells(n=9, overlap=0.4, shape=SHAPE, radius=7, seed=t)
        ]
        instances[0] = replace(instances[0], status="rejected")
        result.put((t,), Instances(SHAPE, instances, categories={1: "live", 2: "dead"}))
    result.categories = {1: "live", 2: "dead"}
    return path, result, pixels


def test_each_shown_cell_has_a_row_with_what_was_measured(stack, tmp_path):
    path, result, pixels = stack
    image = Measured.of_file(result, path, channels=("DAPI", "PI"))
    assert image.axes == ("t",)
    table, _ = write(tmp_path / "cells.csv", image, background=Background("ring", 1, 4))
    assert list(table[0])[:2] == ["image", "t"]
    assert list(table[0])[2:11] == [*CELL, "p_live", "p_dead"]
    by_id = {int(r["id"]): r for r in table}
    assert by_id.keys() == {c.id for t in (0, 2) for c in result.visible((t,))}
    for t in (0, 2):
        names = ["DAPI", "PI"]
        expected = measure(pixels[t], result.visible((t,)), channels=names, background=Background("ring", 1, 4))
        for cell, values in expected:
            row = by_id[cell.id]
            assert (row["image"], row["t"], row["category"]) == ("movie.tif", str(t), result.categories[cell.category])
            assert (row["p_live"], row["p_dead"]) == (("0.7", "0.3") if cell.probabilities else ("", ""))
            assert float(row["score"]) == pytest.approx(cell.score)
            for name, value in values.items():
                assert float(row[name]) == pytest.approx(value, rel=1e-6), name


def test_each_frame_has_its_counts_also_one_without_cells(stack, tmp_path):
    path, result, _ = stack
    _, counts = write(tmp_path / "cells.csv", Measured.of_file(result, path))
    assert [r["t"] for r in counts] == ["0", "1", "2"]
    for t in (0, 2):
        kinds = [c.category for c in result.visible((t,))]
        assert (counts[t]["n_live"], counts[t]["n_dead"]) == (str(kinds.count(1)), str(kinds.count(2)))
        assert float(counts[t]["viability_percent"]) == pytest.approx(100 * kinds.count(1) / len(kinds), rel=1e-6)
    assert (counts[1]["cells"], counts[1]["viability_percent"]) == ("0", "")


def test_images_of_other_channels_and_categories_share_one_table(stack, tmp_path):
    path, result, _ = stack
    tifffile.imwrite(tmp_path / "grey.tif", np.ones(SHAPE, np.uint8))
    other = Result(SHAPE, name="grey.tif")
    other.put((), Instances(SHAPE, [Instance(1, 3, 3, np.ones((9, 9), bool))]))
    table, counts = write(
        tmp_path / "all.csv",
        Measured.of_file(result, path),
        Measured.of_file(other, tmp_path / "grey.tif", channels=("grey",)),
    )
    last = table[-1]
    assert (last["image"], last["t"], last["category"], last["mean_grey"]) == ("grey.tif", "", "cell", "1")
    assert (last["mean_channel0"], last["p_dead"], last["background_grey"]) == ("", "", "1")
    assert (counts[-1]["n_cell"], counts[-1]["viability_percent"]) == ("1", "")


def test_the_size_of_pixels_gives_areas_in_square_micrometres(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones(SHAPE, np.uint8), imagej=True, resolution=(4, 4), metadata={"unit": "um"})
    result = Result(SHAPE, name="a.tif")
    result.put((), Instances(SHAPE, [Instance(1, 3, 3, np.ones((8, 4), bool))]))
    table, _ = write(tmp_path / "a.csv", Measured.of_file(result, path))
    assert (table[0]["area_px"], table[0]["area_um2"]) == ("32", "2")


def test_names_that_a_spreadsheet_takes_for_formulas_are_text(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones(SHAPE, np.uint8))
    result = Result(SHAPE, name="=1+1.tif")
    result.put((), Instances(SHAPE, [Instance(1, 3, 3, np.ones((8, 4), bool), source="@x")], categories={1: '+a,"b'}))
    table, counts = write(tmp_path / "a.csv", Measured.of_file(result, path))
    assert (table[0]["image"], table[0]["category"], table[0]["source"]) == ("'=1+1.tif", "'+a,\"b", "'@x")
    assert counts[0]["image"] == "'=1+1.tif"


def test_an_image_that_does_not_fit_is_named_and_nothing_is_written(stack, tmp_path):
    path, result, _ = stack
    with pytest.raises(BadImage, match=r"movie.tif has 2 channels, but there are 1 names: DAPI"):
        Measured.of_file(result, path, channels=["DAPI"])
    with pytest.raises(BadImage, match=r"\(80, 90\) pixels, but movie.tif has \(3, 80, 90\)"):
        Measured.of_file(Result(SHAPE), path)
    with pytest.raises(BadImage, match="names of movie.tif must differ: PI, PI"):
        Measured.of_file(result, path, channels=["PI", "PI"])
    good = Measured.of_file(result, path)
    bad = replace(good, plane=lambda index: np.zeros((2, 5, 5)))
    out = tmp_path / "cells.csv"
    out.write_text("before")
    with pytest.raises(BadImage):
        list(write_measurements(out, [good, bad]))
    assert out.read_text() == "before"
    assert not counts_path(out).exists()
    with pytest.raises(CannotSave, match="Cannot write"):
        list(write_measurements(path / "under a file" / "x.csv", [good]))


def test_parquet_holds_the_values_of_the_csv(stack, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path, result, _ = stack
    image = Measured.of_file(result, path, channels=("DAPI", "PI"))
    table, counts = write(tmp_path / "cells.csv", image)
    *_, _ = write_measurements(tmp_path / "cells.parquet", [image])
    assert counts_path(tmp_path / "cells.parquet").name == "cells_counts.parquet"
    for name, expected in (("cells", table), ("cells_counts", counts)):
        read = parquet.read_table(tmp_path / f"{name}.parquet").to_pylist()
        assert len(read) == len(expected)
        for row, texts in zip(read, expected, strict=True):
            assert list(row) == list(texts)
            assert {k: as_text(v) if v is not None else "" for k, v in row.items()} == texts


def test_without_pyarrow_nothing_is_measured_for_parquet(stack, tmp_path, monkeypatch):
    from napari_centermask.io import tables

    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    path, result, _ = stack
    with pytest.raises(MissingExtra, match="pyarrow"):
        next(write_measurements(tmp_path / "cells.parquet", [Measured.of_file(result, path)]))
    assert list(tmp_path.glob("cells*")) == []
