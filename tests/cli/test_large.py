"""`segment` of images that are read tile by tile, from files to files."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from napari_centermask import cli
from napari_centermask.io.formats.ome_zarr import read
from napari_centermask.io.images import read_image
from napari_centermask.io.large_cells import STATE
from napari_centermask.models.store.zoo import find_model

pytest.importorskip("zarr")
pytest.importorskip("pyarrow")
FLAGS = ["--large", "0.5", "--diameter", "20", "--tile", "256", "--engine", "openvino"]
"""As half a megapixel is large here, the cells are those of an image that is."""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """(1040, 696) of real nuclei in a tiled TIFF."""
    from napari_centermask.cli.demo import sample_image

    path = tmp_path_factory.mktemp("image") / "field.ome.tif"
    pixels = np.tile(next(read_image(sample_image()).planes())[1][0], (2, 1))
    tifffile.imwrite(path, pixels, tile=(256, 256), compression="zlib", metadata={"axes": "YX"})
    return path


@pytest.fixture(scope="module")
def expected(image):
    """Its cells as they are found in memory."""
    from napari_centermask.engines.load import load_engine
    from napari_centermask.pipeline import segment
    from napari_centermask.settings import SegmentSettings

    engine = load_engine(find_model("nuclei"), engine="openvino")
    pixels = next(read_image(image).planes())[1]
    return segment(pixels, engine, SegmentSettings(diameter=20, tile=256))


def assert_written(out, expected):
    (result,) = read(out / "field.ome_cells.ome.zarr").results
    cells = result.plane(())
    assert cells.ids == expected.ids
    for cell in expected:
        assert (cells[cell.id].score, cells[cell.id].mask_quality) == (cell.score, cell.mask_quality)
        assert np.array_equal(cells[cell.id].mask, cell.mask)


def test_a_large_image_is_written_tile_by_tile_with_the_same_cells(image, expected, tmp_path, capsys):
    assert cli.run(["segment", str(image), "--out", str(tmp_path), "--json", *FLAGS]) == 0
    printed = capsys.readouterr()
    assert "1 megapixels, more than --large 0.5: it is read tile by tile" in printed.err
    (row,) = json.loads(printed.out)["images"]
    assert row["n_instances"] == len(expected) > 200
    assert sorted(p.name for p in tmp_path.iterdir()) == ["field.ome_cells.ome.zarr", "field.ome_cells.parquet"]
    assert_written(tmp_path, expected)
    table = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "field.ome_cells.parquet")
    assert table["id"].to_pylist() == expected.ids


_KILLED = """
import os, signal, sys
from napari_centermask import cli
from napari_centermask.io import large_cells
from napari_centermask.io.formats import cell_parts

kind, calls = sys.argv[1], int(sys.argv[2])
owner, name = {"noted": (large_cells.LargeWriter, "save"), "written": (cell_parts.CellParts, "write")}[kind]
real = getattr(owner, name)

def killed(*arguments):
    global calls
    real(*arguments)
    calls -= 1
    if not calls:
        os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, name, killed)
cli.run(sys.argv[3:])
"""


def kill(kind, calls, command):
    """Run a command in a process that is killed after so many steps were noted, or written but not yet noted."""
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, kind, str(calls), *command], stderr=subprocess.DEVNULL, check=False
    )
    assert done.returncode == -signal.SIGKILL


def test_a_run_that_is_killed_again_and_again_finds_the_same_cells(image, expected, tmp_path, capsys):
    command = ["segment", str(image), "--out", str(tmp_path), *FLAGS]
    state = tmp_path / "field.ome_cells.ome.zarr" / STATE
    rows = []
    for kind, calls in (("noted", 2), ("written", 2), ("written", 1)):
        kill(kind, calls, command)
        rows.append(json.loads(state.read_text())["row"]["row"])
    assert rows == [1, 2, 2]
    assert cli.run([*command, "--score", "0.9"]) == 2
    assert "Repeat that command to continue" in capsys.readouterr().err
    assert cli.run(command) == 0
    assert "goes on where it stopped, after" in capsys.readouterr().err
    assert_written(tmp_path, expected)


def test_class_maps_are_refused(image, tmp_path, capsys):
    assert cli.run(["segment", str(image), "--out", str(tmp_path), "--maps", *FLAGS]) == 2
    assert "--maps has no effect on field.ome.tif" in capsys.readouterr().err


def test_files_that_cannot_be_read_in_parts_are_read_as_a_whole(image, tmp_path, capsys):
    from PIL import Image

    Image.fromarray(next(read_image(image).planes())[1][0][:400, :400]).save(tmp_path / "a.png")
    flags = ["--large", "0.1", "--diameter", "20", "--engine", "openvino"]
    assert cli.run(["segment", str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), *flags]) == 0
    assert "tile by tile" not in capsys.readouterr().err
    assert (tmp_path / "out" / "a_labels.tif").exists()


def test_cells_that_were_corrected_are_not_segmented_over(image, tmp_path, capsys):
    from napari_centermask.io.large_part import LargeCorrection

    command = ["segment", str(image), "--out", str(tmp_path), *FLAGS]
    assert cli.run(command) == 0
    correction = LargeCorrection(tmp_path / "field.ome_cells.ome.zarr")
    result = correction.take((0, 0, 200, 200)).result(correction.source)
    result.set((), result.plane(()).ids[0], None)
    assert correction.put(result) == 1
    correction.end()
    assert cli.run([*command, "--overwrite"]) == 2
    assert "has cells that were corrected, and they are not replaced. Move field.ome_cells" in capsys.readouterr().err
