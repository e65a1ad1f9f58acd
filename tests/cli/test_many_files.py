"""Runs over many files: bad ones, stopped ones, two at once, and names that are alike."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_centermask import cli
from napari_centermask.io import images as images_module
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.formats.files import read_files
from napari_centermask.io.lock import lock_for_run
from napari_centermask.models.store import zoo
from napari_centermask.pipeline import image_file

pytestmark = pytest.mark.usefixtures("network")


@pytest.fixture
def plate(folder):
    """Four images, a to d."""
    for name, value in (("c", 3), ("d", 4)):
        Image.fromarray(np.full((128, 160), value, np.uint8)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def failing(monkeypatch):
    """Makes reading an image of a name raise; returns what is raised by name, and the names that were read."""
    errors, read, real = {}, [], images_module.read_image

    def read_image(path, **options):
        read.append(path.name)
        if path.name in errors:
            raise errors[path.name]
        return real(path, **options)

    for module in (images_module, image_file):
        monkeypatch.setattr(module, "read_image", read_image)
    return errors, read


def segment(folder, out, *more):
    return cli.run(["segment", str(folder), "--out", str(out), *more])


def names_in(coco):
    return [r.file_name for r in read_coco(coco)]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("imagecodecs"),
        OSError(27, "File too large", "b"),
        RuntimeError("out of memory"),
        KeyError("x"),
        RecursionError(),
        AssertionError(),
    ],
)
def test_one_bad_image_does_not_end_the_run(plate, tmp_path, failing, capsys, error):
    failing[0]["b.png"] = error
    assert segment(plate, tmp_path / "out") == 2
    assert names_in(tmp_path / "out" / "annotations.json") == ["a.png", "c.png", "d.png"]
    assert len(list((tmp_path / "out").glob("*_labels.tif"))) == 3
    err = capsys.readouterr().err
    assert "b.png: " in err
    assert "1 of 4 images failed" in err


def test_the_same_command_tries_failed_images_again_and_keeps_the_others(plate, tmp_path, failing):
    errors, read = failing
    errors["b.png"] = OSError(28, "No space left on device")
    assert segment(plate, tmp_path / "out") == 2
    errors.clear()
    read.clear()
    assert segment(plate, tmp_path / "out") == 0
    assert read == ["b.png"]
    assert names_in(tmp_path / "out" / "annotations.json") == ["a.png", "b.png", "c.png", "d.png"]
    assert len(list((tmp_path / "out").iterdir())) == 5  # nothing of the run itself stays
    assert segment(plate, tmp_path / "out") == 2  # it is finished: nothing is replaced unasked


def test_a_name_too_long_for_the_output_is_named_and_the_others_are_done(plate, tmp_path, capsys):
    long = "x" * 248 + ".png"
    (plate / "c.png").rename(plate / long)
    assert segment(plate, tmp_path / "out") == 2
    assert "Choose a shorter name" in capsys.readouterr().err
    assert names_in(tmp_path / "out" / "annotations.json") == ["a.png", "b.png", "d.png"]


@pytest.mark.parametrize("more", [(), ("--overwrite",), ("--format", "labels"), ("--format", "coco"), ("--json",)])
def test_a_stopped_run_is_usable_and_the_same_command_continues(plate, tmp_path, failing, capsys, more):
    errors, read = failing
    errors["c.png"] = KeyboardInterrupt()
    out = tmp_path / "out"
    assert segment(plate, out, *more) == 130
    assert "2 of 4 images are done. Run the same command again" in capsys.readouterr().err
    if "labels" not in more:
        assert names_in(out / "annotations.json") == ["a.png", "b.png"]
    errors.clear()
    read.clear()
    assert segment(plate, out, *more) == 0
    out_text, err = capsys.readouterr()
    assert read == ["c.png", "d.png"]
    assert "2 of 4 images are done" in err
    if "labels" not in more:
        assert names_in(out / "annotations.json") == ["a.png", "b.png", "c.png", "d.png"]
        assert [len(r.instances) for r in read_coco(out / "annotations.json")] == [12] * 4
    if "coco" not in more:
        assert len(list(out.glob("*_labels.tif"))) == 4
    if more == ("--json",):
        assert [row["n_instances"] for row in json.loads(out_text)["images"]] == [12] * 4
    assert not list(out.glob(".*"))


def test_the_cells_of_a_run_that_was_stopped_are_those_of_one_that_was_not(plate, tmp_path, failing):
    assert segment(plate, tmp_path / "whole") == 0
    failing[0]["c.png"] = KeyboardInterrupt()
    assert segment(plate, tmp_path / "parts") == 130
    failing[0].clear()
    assert segment(plate, tmp_path / "parts") == 0
    texts = [(tmp_path / name / "annotations.json").read_text() for name in ("whole", "parts")]
    assert texts[0] == texts[1]


def test_another_command_does_not_mix_with_a_stopped_run(plate, tmp_path, failing, capsys):
    failing[0]["c.png"] = KeyboardInterrupt()
    assert segment(plate, tmp_path / "out") == 130
    failing[0].clear()
    assert segment(plate, tmp_path / "out", "--score", "0.7") == 2
    assert "Another command was stopped" in capsys.readouterr().err
    assert segment(plate, tmp_path / "out", "--score", "0.7", "--overwrite") == 0
    assert len(names_in(tmp_path / "out" / "annotations.json")) == 4


def test_a_model_that_was_trained_again_does_not_mix_with_a_stopped_run(plate, tmp_path, failing, capsys, monkeypatch):
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"first")
    monkeypatch.setattr(zoo, "find_model", lambda _: SimpleNamespace(paths=[weights]))
    failing[0]["c.png"] = KeyboardInterrupt()
    assert segment(plate, tmp_path / "out", "--model", "mine") == 130
    failing[0].clear()
    weights.write_bytes(b"trained again")
    assert segment(plate, tmp_path / "out", "--model", "mine") == 2
    assert "Another command was stopped" in capsys.readouterr().err


def test_a_stopped_run_does_not_replace_what_was_changed_since(plate, tmp_path, failing, capsys):
    failing[0]["c.png"] = KeyboardInterrupt()
    assert segment(plate, tmp_path / "out") == 130
    failing[0].clear()
    coco = tmp_path / "out" / "annotations.json"
    coco.write_text(coco.read_text() + "\n")
    assert segment(plate, tmp_path / "out") == 2
    assert "already exists" in capsys.readouterr().err


def test_an_image_that_changed_since_is_segmented_again(plate, tmp_path, failing):
    failing[0]["c.png"] = KeyboardInterrupt()
    assert segment(plate, tmp_path / "out") == 130
    failing[0].clear()
    failing[1].clear()
    Image.fromarray(np.full((64, 64), 3, np.uint8)).save(plate / "a.png")
    assert segment(plate, tmp_path / "out") == 0
    assert failing[1] == ["a.png", "c.png", "d.png"]


HOLD = """
import sys
from pathlib import Path
from napari_centermask.io.lock import lock_for_run
lock = lock_for_run(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_two_runs_into_one_folder_do_not_mix(plate, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"held\n"
        assert segment(plate, out, "--overwrite") == 2
        assert f"Another run (process {other.pid}) is writing to" in capsys.readouterr().err
        assert not list(out.glob("*.tif"))
    finally:
        other.kill()
        other.communicate()
    assert segment(plate, out) == 0
    lock_for_run(out).release()


def test_images_of_one_stem_get_names_that_differ_and_are_found_again(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("i.png", "i.jpg", "j.png"):
        Image.fromarray(np.full((64, 64), 1, np.uint8)).save(tmp_path / "in" / name)
    assert segment(tmp_path / "in", tmp_path / "out") == 0
    assert names_in(tmp_path / "out" / "annotations.json") == ["i.jpg", "i.png", "j.png"]
    labels = sorted(p.name for p in (tmp_path / "out").glob("*.tif"))
    assert labels == ["i.jpg_labels.tif", "i.png_labels.tif", "j_labels.tif"]
    (tmp_path / "out" / "annotations.json").unlink()
    _, reading = read_files(tmp_path / "out", images=tmp_path / "in")
    assert [r.name for r in reading.results] == ["i.jpg", "i.png", "j.png"]


def test_axes_are_given_by_a_flag_and_guesses_are_reported_once(tmp_path, network, capsys):
    tifffile.imwrite(tmp_path / "s.tif", np.ones((3, 64, 64), np.uint8), metadata=None, photometric="minisblack")
    np.save(tmp_path / "n.npy", np.ones((3, 64, 64), np.uint8))
    for name in ("s.tif", "n.npy"):
        assert segment(tmp_path / name, tmp_path / name[0]) == 0
        err = capsys.readouterr().err
        assert err.count("--axes") == 1
        wanted = "CYX" if "--axes CYX" in err else "ZYX"
        n = len(network.images)
        assert segment(tmp_path / name, tmp_path / name[0], "--axes", wanted, "--overwrite") == 0
        assert len(network.images) - n == (1 if wanted == "CYX" else 3)
        assert "--axes" not in capsys.readouterr().err
    assert segment(tmp_path / "s.tif", tmp_path / "x", "--axes", "YX") == 2
    assert "a letter for each axis" in capsys.readouterr().err
