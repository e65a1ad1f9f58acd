import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile

import other_tools
from napari_centermask import cli
from napari_centermask.core.compose import label_image
from napari_centermask.core.errors import CannotSave
from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.records import records_of, result_of
from napari_centermask.io.formats import FORMATS, imagej
from napari_centermask.io.formats.files import read_files, write_files


@pytest.fixture
def coco(tmp_path, cells):
    """A COCO file of two images with overlapping cells."""
    records = []
    for n, name in enumerate(("a.png", "sub/b.png"), start=1):
        result = Result((256, 256), name=name)
        result.put((), cells(n=10, overlap=0.6, seed=n), keep_ids=True)
        records += records_of(result, name, first_id=len(records) + 1)
    path = tmp_path / "annotations.json"
    write_coco(path, records)
    return path


@pytest.mark.parametrize("to", ["imagej", "geojson", "ome-zarr", "ome-zarr-0.5"])
def test_there_and_back_again_is_equal_to_the_bit(coco, tmp_path, to, capsys):
    pytest.importorskip({"imagej": "roifile", "ome-zarr": "zarr", "ome-zarr-0.5": "zarr"}.get(to, "json"))
    assert cli.run(["convert", str(coco), str(tmp_path / "there"), "--to", to]) == 0
    assert cli.run(["convert", str(tmp_path / "there"), str(tmp_path / "back.json"), "--from", to]) == 0
    before = {r.file_name.split("/")[-1]: r for r in read_coco(coco)}
    after = {r.file_name.split("/")[-1]: r for r in read_coco(tmp_path / "back.json")}
    assert before.keys() == after.keys()
    assert all(before[k].instances.equals(after[k].instances) for k in before)
    assert "nothing is lost" in capsys.readouterr().err


@pytest.mark.parametrize("to", ["labels", "cellpose"])
def test_the_loss_is_said_in_numbers_before_writing(coco, tmp_path, to, capsys):
    assert cli.run(["convert", str(coco), str(tmp_path / "flat"), "--to", to, "--json"]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert said["loss"]["changed"] > 0
    assert said["loss"]["pixels"] > 0
    assert f"{said['loss']['pixels']:,} pixels" in err
    assert len(said["written"]) == said["images"] == 2
    (result,) = (result_of([r]) for r in read_coco(coco) if r.file_name == "a.png")
    assert said["cells"] == 20
    assert len(result) == 10


def test_nothing_is_replaced_without_the_flag(coco, tmp_path, capsys):
    target = tmp_path / "a.geojson"
    target.write_text("mine")
    labels = tmp_path / "a_labels.tif"
    import tifffile

    tifffile.imwrite(labels, np.eye(5, dtype=np.uint8))
    assert cli.run(["convert", str(labels), str(target)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert cli.run(["convert", str(labels), str(target), "--overwrite"]) == 0
    assert json.loads(target.read_text())["type"] == "FeatureCollection"


def test_rejected_cells_can_be_left_out(tmp_path, cells, capsys):

    result = Result((256, 256), name="a.png")
    result.put((), cells(n=4, overlap=0), keep_ids=True)
    result.set((), 2, replace(result.get((), 2), status="rejected"))
    write_coco(tmp_path / "a.json", records_of(result, "a.png"))
    assert cli.run(["convert", str(tmp_path / "a.json"), str(tmp_path / "a.geojson")]) == 0
    assert "1 rejected cells are included" in capsys.readouterr().err
    assert cli.run(["convert", str(tmp_path / "a.json"), str(tmp_path / "b.geojson"), "--shown"]) == 0
    assert len(json.loads((tmp_path / "b.geojson").read_text())["features"]) == 3


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["none.json", "x.geojson"], "does not exist"),
        (["a.json", "x.abc"], "The format of x.abc is not clear"),
        (["a.json", "x.abc", "--to", "svg"], "There is no format 'svg'"),
        (["a.abc", "x.geojson"], "The format of a.abc is not clear"),
        (["annotations.json", "x.geojson"], "x.geojson is a file, but there are 2 images"),
        (["folder", "x.json"], "but has none"),
    ],
)
def test_mistakes_get_one_clear_message(coco, tmp_path, monkeypatch, capsys, tokens, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "a.abc").write_text("?")
    (tmp_path / "folder").mkdir()
    assert cli.run(["convert", *tokens]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x.geojson").exists()


@pytest.mark.parametrize(("to", "package"), [("imagej", "roifile"), ("ome-zarr", "zarr")])
def test_a_missing_package_is_named_with_the_command(coco, tmp_path, monkeypatch, capsys, to, package):

    monkeypatch.setitem(sys.modules, package, None)
    assert cli.run(["convert", str(coco), str(tmp_path / "out"), "--to", to]) == 2
    assert "pip install 'napari-centermask[formats]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_images_in_a_folder_are_not_mistaken_for_labels(tmp_path, capsys):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 6), np.uint8))
    tifffile.imwrite(tmp_path / "a_labels.tif", np.eye(5, 6, dtype=np.uint8))
    assert cli.run(["convert", str(tmp_path), str(tmp_path / "out.json"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["from"], said["images"]) == ("labels", 1)
    (record,) = read_coco(tmp_path / "out.json")
    assert record.file_name == "a.tif"


def test_a_terminal_shows_what_is_going_on_and_a_file_does_not(tmp_path, coco, capsys, monkeypatch):
    target = str(tmp_path / "there.json")
    assert cli.run(["convert", str(coco), target]) == 0
    assert "Reading" not in capsys.readouterr().err
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert cli.run(["convert", str(coco), target, "--overwrite"]) == 0
    shown = capsys.readouterr().err
    assert f"Reading {coco.name}" in shown
    assert "Writing there.json" in shown
    assert shown.count("20 of 20 cells") >= 2


@pytest.fixture
def masks(tmp_path, cells):
    """Label images of a to d; c is damaged."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for name in "abcd":
        tifffile.imwrite(folder / f"{name}_labels.tif", label_image(cells(n=5)).astype(np.uint16))
    (folder / "c_labels.tif").write_bytes(b"II*\0 nothing")
    return folder


def test_a_damaged_file_is_left_out_of_a_conversion_and_named(masks, tmp_path, capsys):
    for target, more in (("rois", ("--to", "imagej")), ("all.json", ())):
        assert cli.run(["convert", str(masks), str(tmp_path / target), *more]) == 2
        assert "c_labels.tif" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "rois").iterdir() if not p.name.startswith(".")) == [
        "a_rois.zip",
        "b_rois.zip",
        "d_rois.zip",
    ]
    assert len(read_coco(tmp_path / "all.json")) == 3


def test_a_stopped_conversion_continues(masks, tmp_path, monkeypatch, capsys):
    (masks / "c_labels.tif").unlink()
    written = []

    def write(path, results, advance):
        written.append(path.name)
        if len(written) == 2:
            raise KeyboardInterrupt
        real(path, results, advance)

    real = imagej.write
    monkeypatch.setattr(imagej, "write", write)
    tokens = ["convert", str(masks), str(tmp_path / "rois"), "--to", "imagej"]
    assert cli.run(tokens) == 130
    assert [p.name for p in (tmp_path / "rois").glob("*.zip")] == ["a_rois.zip"]
    assert cli.run(tokens) == 0
    assert written == ["a_rois.zip", "b_rois.zip", "b_rois.zip", "d_rois.zip"]
    assert len(list((tmp_path / "rois").iterdir())) == 3
    assert cli.run(tokens) == 2
    assert "would be replaced" in capsys.readouterr().err


def test_a_full_disk_spares_what_fits_into_a_conversion(masks, tmp_path, monkeypatch, capsys):
    (masks / "c_labels.tif").unlink()

    def write(path, results, advance):
        if path.name == "b_rois.zip":
            raise CannotSave(f"Cannot write {path}: no room.")
        real(path, results, advance)

    real = imagej.write
    monkeypatch.setattr(imagej, "write", write)
    assert cli.run(["convert", str(masks), str(tmp_path / "rois"), "--to", "imagej"]) == 2
    assert "b_rois.zip: no room" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "rois").glob("*.zip")) == ["a_rois.zip", "d_rois.zip"]


@pytest.mark.parametrize("to", FORMATS)
def test_reading_and_writing_count_up_to_all_cells(tmp_path, cells, to):
    pytest.importorskip({"imagej": "roifile", "ome-zarr": "zarr", "ome-zarr-0.5": "zarr"}.get(to, "json"))
    result, format = Result((256, 256), name="a.png"), FORMATS[to]
    result.put((), cells(n=10, overlap=0), keep_ids=True)
    written, read = [], []
    format.write(tmp_path / f"a{format.ending}", [result], advance=lambda *count: written.append(count))
    format.read(tmp_path / f"a{format.ending}", advance=lambda *count: read.append(count))
    assert written[-1] == read[-1] == (10, 10)


def test_a_folder_counts_its_files_and_all_cells(coco, tmp_path):
    written, read = [], []
    results = FORMATS["coco"].read(coco).results
    write_files(tmp_path / "there", results, FORMATS["geojson"], advance=lambda *count: written.append(count))
    read_files(tmp_path / "there", advance=lambda *count: read.append(count))
    assert written[0] == (10, 20)
    assert written[-1] == (20, 20)
    assert read == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize("to", FORMATS)
def test_stopping_midway_leaves_nothing_half_written(coco, tmp_path, monkeypatch, to):
    pytest.importorskip({"imagej": "roifile", "ome-zarr": "zarr", "ome-zarr-0.5": "zarr"}.get(to, "json"))
    (result, _) = FORMATS["coco"].read(coco).results
    target = tmp_path / "out" / f"a{FORMATS[to].ending}"

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_files(target, [result], FORMATS[to], advance=stop)
    assert not target.parent.exists() or not list(target.parent.iterdir())


def test_a_class_that_other_files_number_otherwise_stays_the_same_category(tmp_path):
    folder = other_tools.labelme(tmp_path / "theirs", kinds=("live", "dead"))
    assert cli.run(["convert", str(folder), str(tmp_path / "out.json")]) == 0
    for record in read_coco(tmp_path / "out.json"):
        kinds = {cell.box[:2]: record.instances.categories[cell.category] for cell in record.instances}
        assert kinds == {at: ("live", "dead")[n % 2] for n, at in enumerate(other_tools.SQUARES)}
