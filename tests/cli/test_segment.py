"""`segment`, `demo` and `evaluate` from files to files, with cells made by the factory in place of a network."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_centermask import cli
from napari_centermask.core.compose import label_image
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.formats.reading import find_image

pytestmark = pytest.mark.usefixtures("network")


def run_json(capsys, *tokens):
    assert cli.run([str(t) for t in tokens]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_folder_becomes_labels_and_coco(capsys, folder, tmp_path, cells):
    report = run_json(capsys, "segment", folder, "--out", tmp_path / "out", "--json")
    expected = cells(n=12, shape=(128, 160), radius=8)
    assert [row["n_instances"] for row in report["images"]] == [12, 12]
    for name in "ab":
        labels = tifffile.imread(tmp_path / "out" / f"{name}_labels.tif")
        np.testing.assert_array_equal(labels, label_image(expected))
    records = read_coco(tmp_path / "out" / "annotations.json", images_root=folder)
    assert [r.file_name for r in records] == ["a.png", "b.png"]
    for record in records:
        for cell in record.instances:
            np.testing.assert_array_equal(cell.mask, expected[cell.id].mask)


def test_several_devices_share_the_images_of_a_folder(capsys, folder, tmp_path, monkeypatch, network):
    from napari_centermask.engines import load
    from napari_centermask.engines.several import Several

    (folder / "d.png").write_bytes(b"nonsense")
    one = {"name": "fake", "device": "cpu", "card": network.card, "precision": "float32", "batch": 1}
    two = Several((SimpleNamespace(**one), SimpleNamespace(**one)))
    monkeypatch.setattr(load, "load_engines", lambda settings, *, say: two)
    assert cli.run(["segment", str(folder), "--out", str(tmp_path / "out"), "--device", "cpu,cpu"]) == 2
    assert "d.png" in capsys.readouterr().err
    records = read_coco(tmp_path / "out" / "annotations.json", images_root=folder)
    assert [(r.file_name, len(r.instances)) for r in records] == [("a.png", 12), ("b.png", 12)]


def test_a_format_left_out_is_not_written(folder, tmp_path):
    assert cli.run(["segment", str(folder), "--out", str(tmp_path / "out"), "--format", "coco"]) == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["annotations.json"]


def test_flags_reach_the_settings(folder, tmp_path, network):
    flags = ["--score", "0.7", "--diameter", "33", "--channels", "2", "0", "--percentiles", "0", "100", "--tile", "512"]
    assert cli.run(["segment", str(folder / "a.png"), "--out", str(tmp_path / "out"), *flags]) == 0
    (settings,) = network.settings
    assert (settings.score, settings.diameter, settings.channels, settings.tile) == (0.7, 33, [2, 0], 512)
    assert settings.percentiles == (0, 100)
    assert "nms" not in settings.model_fields_set


def test_a_bad_image_does_not_stop_the_others(capsys, folder, tmp_path):
    Image.fromarray(np.full((64, 64), 13, np.uint8)).save(folder / "c.png")
    (folder / "d.png").write_bytes(b"nonsense")
    assert cli.run(["segment", str(folder), "--out", str(tmp_path / "out")]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error")]
    assert len(errors) == 2
    written = sorted(p.name for p in (tmp_path / "out").glob("[!.]*"))
    assert written == ["a_labels.tif", "annotations.json", "b_labels.tif"]


def test_one_bad_image_writes_nothing(tmp_path):
    (tmp_path / "d.png").write_bytes(b"nonsense")
    assert cli.run(["segment", str(tmp_path / "d.png"), "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_a_stack_is_segmented_plane_by_plane(tmp_path, network):
    tifffile.imwrite(tmp_path / "z.tif", np.zeros((3, 64, 96), np.uint16), metadata={"axes": "ZYX"}, imagej=True)
    assert cli.run(["segment", str(tmp_path / "z.tif"), "--out", str(tmp_path / "out")]) == 0
    assert [i.shape for i in network.images] == [(1, 64, 96)] * 3
    assert tifffile.imread(tmp_path / "out" / "z_labels.tif").shape == (3, 64, 96)
    records = read_coco(tmp_path / "out" / "annotations.json")
    assert [(r.plane, r.leading) for r in records] == [((n,), (3,)) for n in range(3)]


def test_planes_that_cannot_be_segmented_are_named_and_the_stack_is_whole(capsys, tmp_path, network):
    stack = np.zeros((3, 64, 96), np.uint16)
    stack[1] = 99
    tifffile.imwrite(tmp_path / "z.tif", stack, metadata={"axes": "ZYX"}, imagej=True)
    assert cli.run(["segment", str(tmp_path / "z.tif"), "--out", str(tmp_path / "out"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert "z.tif has no cells in Z1: it is dark" in err
    assert json.loads(out)["images"][0]["left_out"] == ["Z1: it is dark"]
    assert tifffile.imread(tmp_path / "out" / "z_labels.tif").shape == (3, 64, 96)


def test_the_class_of_each_pixel_is_written_on_request(capsys, folder, tmp_path, network):
    network.card.kind, network.classes = "unet", np.zeros((128, 160), np.uint8)
    network.classes[20:40] = 2
    report = run_json(capsys, "segment", folder / "a.png", "--out", tmp_path, "--maps", "--json")
    classes = tifffile.imread(report["images"][0]["classes"])
    assert classes.shape == (128, 160)
    assert (classes[20:40] == 2).all()
    assert np.count_nonzero(classes) == 20 * 160
    assert cli.run(["segment", str(folder / "a.png"), "--out", str(tmp_path), "--maps", "--format", "coco"]) == 2


def test_images_of_the_same_name_differ_in_coco_too(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    assert (
        cli.run(["segment", str(folder), str(other / "a.png"), "--out", str(tmp_path / "out"), "--format", "coco"]) == 0
    )
    records = read_coco(tmp_path / "out" / "annotations.json")
    assert [r.file_name for r in records] == ["plate/a.png", "b.png", "other/a.png"]
    assert find_image(tmp_path / "out" / "annotations.json", tmp_path, records[2].file_name) == other / "a.png"


def test_an_interrupted_run_leaves_no_part(folder, tmp_path, monkeypatch):
    def stop(path, labels, **options):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(tifffile, "imwrite", stop)
    assert cli.run(["segment", str(folder), "--out", str(tmp_path / "out")]) == 130
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "NaN or infinite"), (np.inf, "NaN or infinite"), (7.0, "contrast")]
)
def test_images_that_cannot_be_segmented_are_refused(tmp_path, capsys, monkeypatch, value, message):
    monkeypatch.undo()
    image = np.full((64, 64), 7.0, np.float32)
    image[5, 5] = value
    np.save(tmp_path / "a.npy", image)
    assert cli.run(["segment", str(tmp_path / "a.npy"), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_names_of_channels_come_from_the_file_or_the_command(capsys, network, tmp_path, stack):
    network.card.channel_names = ["nucleus", "cytoplasm", "membrane"]
    stack(tmp_path / "a.tif", ["membrane", "nucleus"])
    run_json(capsys, "segment", tmp_path / "a.tif", "--out", tmp_path / "1", "--json")
    assert network.settings[-1].channel_names == ["membrane", "nucleus"]
    tokens = ("--channel-names", "nucleus", "cytoplasm", "--preprocess.background", "tophat")
    assert cli.run(["segment", str(tmp_path / "a.tif"), "--out", str(tmp_path / "2"), *tokens]) == 0
    assert network.settings[-1].channel_names == ["nucleus", "cytoplasm"]
    assert network.settings[-1].preprocess.model_fields_set == {"background"}
    assert "a.tif has no membrane: the model gets an empty channel." in capsys.readouterr().err


def test_channels_that_do_not_fit_are_named(capsys, network, tmp_path, stack):
    network.card.channel_names, network.card.bears_missing = ["nucleus", "cytoplasm", "membrane"], False
    stack(tmp_path / "a.tif", ["membrane", "nucleus"])
    assert cli.run(["segment", str(tmp_path / "a.tif"), "--out", str(tmp_path / "1")]) == 2
    error = capsys.readouterr().err
    assert "a.tif: The model needs the channels nucleus, cytoplasm, membrane" in error
    assert "cytoplasm is missing" in error


def test_images_of_one_lif_are_segmented_each_under_its_name(capsys, lif, tmp_path):
    path, *_ = lif(shape=(128, 160))
    report = run_json(capsys, "segment", path, "--out", tmp_path / "out", "--json")
    assert [row["image"] for row in report["images"]] == [str(path / "Series 1"), str(path / "Series_2_x")]
    labels = sorted(p.name for p in (tmp_path / "out").glob("*.tif"))
    assert labels == ["slide_Series 1_labels.tif", "slide_Series_2_x_labels.tif"]
    records = read_coco(tmp_path / "out" / "annotations.json", images_root=tmp_path)
    assert {r.file_name for r in records} == {"slide.lif/Series 1", "slide.lif/Series_2_x"}
    assert all(r.path == tmp_path / r.file_name for r in records)
    assert records[0].extra["pixel_size_um"] == pytest.approx(0.5)
    assert find_image(tmp_path / "annotations.json", None, "slide.lif/Series 1") == path / "Series 1"


def test_scenes_are_chosen_by_name_or_number(capsys, lif, tmp_path):
    path, *_ = lif(shape=(128, 160))
    report = run_json(capsys, "segment", path, "--scenes", "Series_2_x", "--out", tmp_path / "a", "--json")
    assert [row["image"] for row in report["images"]] == [str(path / "Series_2_x")]
    report = run_json(capsys, "segment", path, "--scenes", "0", "--out", tmp_path / "b", "--json")
    assert [row["image"] for row in report["images"]] == [str(path / "Series 1")]
    assert cli.run(["segment", str(path), "--scenes", "Series 9", "--out", str(tmp_path / "c")]) == 2
    assert "has no image Series 9, but Series 1, Series_2_x" in capsys.readouterr().err


def test_a_stopped_run_segments_again_what_changed_in_a_file(capsys, lif, tmp_path, network):
    path, *_ = lif(shape=(128, 160))
    (tmp_path / "bad.png").write_bytes(b"nonsense")
    command = ["segment", str(path), str(tmp_path / "bad.png"), "--out", str(tmp_path / "out")]
    assert cli.run(command) == 2
    assert cli.run(command) == 2
    assert "2 of 3 images are done" in capsys.readouterr().err
    lif(shape=(120, 160))
    assert cli.run(command) == 2
    assert "0 of 3 images are done" in capsys.readouterr().err


def test_cells_of_an_image_in_a_file_are_measured_on_it(lif, tmp_path, capsys):
    path, *_ = lif(shape=(128, 160))
    assert cli.run(["segment", str(path), "--scenes", "1", "--out", str(tmp_path / "out")]) == 0
    cells, table = tmp_path / "out" / "annotations.json", tmp_path / "cells.csv"
    assert cli.run(["measure", str(cells), "--images", str(tmp_path), "--out", str(table)]) == 0
    assert "area_um2" in table.read_text().splitlines()[0]
    assert len(table.read_text().splitlines()) == 13


def test_a_model_of_another_kind_of_images_is_doubted_once_on_one_line(capsys, network, tmp_path, monkeypatch):
    network.card.images = ("fluorescence",)
    through = SimpleNamespace(images=("transmitted",), name="through", model=SimpleNamespace(categories=["cell"]))
    network.card.model.categories = ["nucleus"]
    models = [SimpleNamespace(name="through", card=through)]
    monkeypatch.setattr("napari_centermask.models.store.zoo.list_models", lambda: models)
    y, x = np.mgrid[:128, :160]
    for name in ("a", "b"):
        grey = 200 - 80 * (np.hypot(y % 40 - 20, x % 40 - 20) < 9)
        Image.fromarray(grey.astype(np.uint8)).save(tmp_path / f"{name}.png")
    assert cli.run(["segment", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--out", str(tmp_path / "out")]) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if "looks like" in line]
    (warning,) = warnings
    assert warning == (
        "Warning: a.png looks like transmitted light (phase contrast, bright field); 'fake' was trained on fluorescence. "
        "Try --model through."
    )
