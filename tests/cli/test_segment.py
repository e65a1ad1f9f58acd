"""`segment`, `demo` and `evaluate` from files to files, with cells made by the factory in place of a network."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_centermask import cli
from napari_centermask.cli import output
from napari_centermask.cli.demo import overlay, sample_image
from napari_centermask.cli.plan import plan
from napari_centermask.core.compose import label_image
from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.instances import Instances
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
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


def test_images_of_the_same_name_do_not_overwrite_each_other(tmp_path):
    paths = [tmp_path / "one" / "a.png", tmp_path / "two" / "a.png"]
    for path in paths:
        path.parent.mkdir()
        path.touch()
    assert [j.labels.name for j in plan(paths, tmp_path, ["labels"])] == ["one_a_labels.tif", "two_a_labels.tif"]
    with pytest.raises(BadSettings, match="is given twice"):
        plan([paths[0], paths[0]], tmp_path, ["labels"])


def test_images_of_the_same_name_differ_in_coco_too(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    assert (
        cli.run(["segment", str(folder), str(other / "a.png"), "--out", str(tmp_path / "out"), "--format", "coco"]) == 0
    )
    records = read_coco(tmp_path / "out" / "annotations.json")
    assert [r.file_name for r in records] == ["plate/a.png", "b.png", "other/a.png"]
    assert find_image(tmp_path / "out" / "annotations.json", tmp_path, records[2].file_name) == other / "a.png"


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(BadImage, match="has no images"):
        plan([tmp_path], tmp_path, ["labels"])


def test_an_interrupted_run_leaves_no_part(folder, tmp_path, monkeypatch):
    def stop(path, labels, **options):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(tifffile, "imwrite", stop)
    assert cli.run(["segment", str(folder), "--out", str(tmp_path / "out")]) == 130
    assert list((tmp_path / "out").iterdir()) == []


def test_the_demo_draws_the_sample(capsys, tmp_path):
    report = run_json(capsys, "demo", "--no-window", "--json", "--out", tmp_path / "demo")
    assert report["n_instances"] == 12
    picture = np.asarray(Image.open(report["overlay"]))
    assert picture.shape == (*np.asarray(Image.open(sample_image())).shape[:2], 3)


def test_the_demo_says_why_napari_does_not_open(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert cli.run(["demo", "--out", str(tmp_path)]) == 0
    assert "no display" in capsys.readouterr().err


def test_the_overlay_leaves_the_background_and_colours_every_cell(cells):
    instances = cells(n=12)
    picture = overlay(np.zeros((1, 256, 256), np.uint16), instances)
    inside = label_image(instances) > 0
    assert (picture[~inside] == 0).all()
    assert (picture[inside].max(axis=1) > 0).all()


@pytest.fixture
def annotated(tmp_path, cells):
    folder = tmp_path / "fields"
    (folder / "images").mkdir(parents=True)
    records = []
    for number in (1, 2):
        Image.fromarray(np.full((128, 160), number, np.uint8)).save(folder / "images" / f"{number}.png")
        truth = cells(n=12, shape=(128, 160), radius=8)
        records.append(ImageRecord(number, f"{number}.png", None, truth.shape, truth))
    write_coco(folder / "annotations_test.json", records)
    return folder


def test_a_perfect_model_scores_one(capsys, annotated, tmp_path):
    report = tmp_path / "report.json"
    tokens = ["evaluate", "--data", annotated, "--split", "test", "--json", report, "--maps", tmp_path / "maps"]
    assert cli.run([str(t) for t in tokens]) == 0
    figures = json.loads(report.read_text())
    assert figures["bioimage_ap_mean"] == figures["f1"] == 1.0
    assert figures["n_images"] == 2
    assert "bioimage AP" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "maps").iterdir()) == ["1_errors.png", "2_errors.png"]


def test_error_maps_of_images_whose_names_are_alike_do_not_take_each_others_place(annotated, tmp_path):
    images = annotated / "images"
    names = ["a/1.png", "b/1.png", "b/1.tif"]
    for name in names:
        (images / name).parent.mkdir(exist_ok=True)
        Image.open(images / "1.png").save(images / name)
    (record,) = [r for r in read_coco(annotated / "annotations_test.json") if r.file_name == "1.png"]
    write_coco(
        annotated / "annotations_test.json", [replace(record, id=k, file_name=n) for k, n in enumerate(names, 1)]
    )
    tokens = ["evaluate", "--data", annotated, "--split", "test", "--maps", tmp_path / "maps"]
    assert cli.run([str(t) for t in tokens]) == 0
    made = sorted(p.name for p in (tmp_path / "maps").iterdir())
    assert made == ["a_1_errors.png", "b_1.tif_errors.png", "b_1_errors.png"]


def test_predictions_are_judged_like_a_model(annotated, tmp_path):
    predicted = [
        ImageRecord(r.id, r.file_name, None, r.shape, Instances(r.shape, list(r.instances)[:6]))
        for r in read_coco(annotated / "annotations_test.json")
    ]
    write_coco(tmp_path / "theirs.json", predicted)
    report = tmp_path / "report.json"
    tokens = ["evaluate", "--predictions", tmp_path / "theirs.json", "--data", annotated, "--split", "test"]
    assert cli.run([str(t) for t in [*tokens, "--json", report]]) == 0
    figures = json.loads(report.read_text())
    assert figures["recall"] == 0.5
    assert figures["precision"] == 1.0


def test_a_missing_split_names_those_there_are(capsys, annotated):
    assert cli.run(["evaluate", "--data", str(annotated), "--split", "val"]) == 2
    assert "annotations_test.json" in capsys.readouterr().err


def test_results_go_to_standard_output_and_notices_do_not(capsys):
    output.notice("hello")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hello\n")


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


def _stack(path, names):
    tifffile.imwrite(
        path, np.ones((len(names), 64, 64), np.uint8), imagej=True, metadata={"axes": "CYX", "Labels": names}
    )


def test_names_of_channels_come_from_the_file_or_the_command(capsys, network, tmp_path):
    network.card.channel_names = ["nucleus", "cytoplasm", "membrane"]
    _stack(tmp_path / "a.tif", ["membrane", "nucleus"])
    run_json(capsys, "segment", tmp_path / "a.tif", "--out", tmp_path / "1", "--json")
    assert network.settings[-1].channel_names == ["membrane", "nucleus"]
    tokens = ("--channel-names", "nucleus", "cytoplasm", "--preprocess.background", "tophat")
    assert cli.run(["segment", str(tmp_path / "a.tif"), "--out", str(tmp_path / "2"), *tokens]) == 0
    assert network.settings[-1].channel_names == ["nucleus", "cytoplasm"]
    assert network.settings[-1].preprocess.model_fields_set == {"background"}
    assert "a.tif has no membrane: the model gets an empty channel." in capsys.readouterr().err


def test_channels_that_do_not_fit_are_named(capsys, network, tmp_path):
    network.card.channel_names, network.card.bears_missing = ["nucleus", "cytoplasm", "membrane"], False
    _stack(tmp_path / "a.tif", ["membrane", "nucleus"])
    assert cli.run(["segment", str(tmp_path / "a.tif"), "--out", str(tmp_path / "1")]) == 2
    error = capsys.readouterr().err
    assert "a.tif: The model needs the channels nucleus, cytoplasm, membrane" in error
    assert "cytoplasm is missing" in error


def test_a_folder_whose_images_order_their_channels_differently_is_not_evaluated(capsys, network, tmp_path, cells):
    (tmp_path / "images").mkdir()
    records = []
    for number, names in enumerate((["a", "b", "c"], ["a", "c", "b"]), start=1):
        _stack(tmp_path / "images" / f"{number}.tif", names)
        truth = cells(n=3, shape=(64, 64), radius=6)
        records.append(ImageRecord(number, f"{number}.tif", None, truth.shape, truth))
    write_coco(tmp_path / "annotations_val.json", records)
    assert cli.run(["evaluate", "--data", str(tmp_path), "--split", "val"]) == 2
    assert "1.tif has a, b, c, 2.tif a, c, b" in capsys.readouterr().err.replace("\n", " ")
