"""`train` starts on data of other tools, projects and folders without splits: a copy in the run folder has their cells."""

import subprocess
import sys
import threading
from dataclasses import replace

import pytest

import other_tools as tools
from napari_centermask import cli
from napari_centermask.core.errors import BadAnnotations, CannotSave
from napari_centermask.core.history import Change
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.project.project import Project
from napari_centermask.settings import ModelSettings, TrainSettings
from napari_centermask.training.data.loader import load_split
from napari_centermask.training.run.copies import readable, with_copies
from other_tools import EXPECTED, SHAPE, boxes, write


def settings_of(folder, out, **options):
    return TrainSettings(data=[folder], out=out, model=ModelSettings(in_channels=1), **options)


def splits_of(folder):
    return {
        path.stem.removeprefix("annotations_"): read_coco(path, images_root=folder / "images")
        for path in folder.glob("annotations_*.json")
    }


@pytest.mark.parametrize(
    "make", [tools.pairs, tools.cellpose, tools.cellpose_gui, tools.labelme], ids=lambda make: make.__name__
)
def test_all_cells_are_there_and_a_part_is_held_out(tmp_path, make):
    settings = with_copies(settings_of(make(tmp_path / "theirs"), tmp_path / "run"))
    (folder,) = settings.data
    assert folder == tmp_path / "run" / "data" / "theirs"
    splits = splits_of(folder)
    assert set(splits) == {"train", "val"}
    assert all(found == EXPECTED for records in splits.values() for found in boxes(records).values())
    assert not {r.path for r in splits["train"]} & {r.path for r in splits["val"]}
    for split in splits:
        assert all(sample.image.shape == (1, *SHAPE) for sample in load_split(folder, split))


def test_splits_of_the_folder_stay_as_they_are(tmp_path):
    settings = with_copies(settings_of(tools.roboflow(tmp_path / "theirs"), tmp_path / "run"))
    names = {split: sorted(r.file_name for r in records) for split, records in splits_of(settings.data[0]).items()}
    assert names == {
        "train": [f"train__images__{name}.png" for name in "abc"],
        "val": [f"valid__images__{name}.png" for name in "de"],
    }


def test_a_missing_val_is_held_out_from_train_and_test_is_kept(tmp_path):
    settings = with_copies(settings_of(tools.stardist(tmp_path / "theirs"), tmp_path / "run"))
    splits = splits_of(settings.data[0])
    assert sorted(r.file_name for r in splits["test"]) == ["test__images__g.tif", "test__images__h.tif"]
    held = {r.file_name for name in ("train", "val") for r in splits[name]}
    assert held == {f"train__images__{name}.tif" for name in "abcdef"}
    assert splits["val"]


def test_one_sequence_is_cut_into_places_as_its_frames_show_the_same_cells(tmp_path):
    settings = with_copies(settings_of(tools.challenge(tmp_path / "theirs"), tmp_path / "run"))
    splits = splits_of(settings.data[0])
    assert {r.file_name for r in splits["train"]} == {r.file_name for r in splits["val"]}
    assert all(r.reviewed for records in splits.values() for r in records)


def test_what_was_recognised_is_said_and_the_copy_is_used_again(tmp_path):
    said: list[str] = []
    settings = settings_of(tools.pairs(tmp_path / "theirs"), tmp_path / "run")
    first = with_copies(settings, say=said.append)
    assert said[0] == "Read as pairs of images and masks (as for StarDist): theirs, 6 images with 36 cells."
    n = len(said)
    assert with_copies(settings, say=said.append) == first
    assert len(said) == n
    write(tmp_path / "theirs" / "images" / "z.tif", tools.image(9))
    write(tmp_path / "theirs" / "masks" / "z_mask.png", tools.labels())
    with_copies(settings.model_copy(update={"resume": True}), say=said.append)
    assert len(said) == n  # a run that goes on has the data that it began with
    with_copies(settings, say=said.append)
    assert "7 images with 42 cells" in said[n]


def test_folders_with_splits_in_coco_are_read_where_they_lie(tmp_path):
    settings = with_copies(settings_of(tools.pairs(tmp_path / "theirs"), tmp_path / "run"))
    again = settings_of(settings.data[0], tmp_path / "second")
    assert with_copies(again) == again
    assert not (tmp_path / "second").exists()


def test_coco_without_splits_is_copied_with_some(tmp_path):
    folder = tools.pairs(tmp_path / "theirs")
    assert cli.run(["convert", str(folder / "masks"), str(folder / "annotations.json"), "--from", "labels"]) == 0
    settings = with_copies(settings_of(folder, tmp_path / "run", replay=[folder], replay_part=0.5))
    assert set(splits_of(settings.data[0])) == {"train", "val"}
    assert settings.replay == [tmp_path / "run" / "replay" / "theirs"]


def test_nothing_is_left_of_a_copy_that_failed(tmp_path):
    folder = tools.pairs(tmp_path / "theirs")
    write(folder / "masks" / "b_mask.png", tools.labels()[:30])
    with pytest.raises(BadAnnotations, match="differ in size"):
        with_copies(settings_of(folder, tmp_path / "run"))
    assert not list((tmp_path / "run").rglob("*.*"))


def test_a_folder_where_the_copy_would_be_stays_as_it_is(tmp_path):
    theirs = tools.pairs(tmp_path / "data" / "theirs")
    before = sorted(theirs.rglob("*"))
    settings = settings_of(theirs, tmp_path)
    copied = with_copies(settings)
    assert sorted(theirs.rglob("*")) == before
    assert copied.data == [tmp_path / "data" / "theirs-2"]
    assert with_copies(settings).data == copied.data


def test_no_copy_goes_into_data_that_are_called_as_the_folder_of_copies(tmp_path):
    theirs = tools.pairs(tmp_path / "data")
    before = sorted(theirs.rglob("*"))
    copied = with_copies(settings_of(theirs, tmp_path))
    assert sorted(theirs.rglob("*")) == before
    assert copied.data == [tmp_path / "data-copy" / "data"]
    assert with_copies(settings_of(theirs, tmp_path)).data == copied.data


def test_a_copy_that_cannot_be_put_in_its_place_is_an_error(tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    with pytest.raises(CannotSave, match="then try again"):
        with_copies(settings_of(tools.pairs(tmp_path / "theirs"), tmp_path / "run"))


def test_images_of_one_name_in_folders_elsewhere_stay_apart(tmp_path):
    theirs = tools.yolo(tmp_path / "elsewhere" / "set")
    for name in "ef":  # as many tools number them, from the start in each split
        for kind, ending in (("images", "png"), ("labels", "txt")):
            path = theirs / kind / "val" / f"{name}.{ending}"
            path.rename(path.with_name(f"{'a' if name == 'e' else 'b'}.{ending}"))
    place = tmp_path / "yaml" / "here"
    place.mkdir(parents=True)
    (theirs / "data.yaml").rename(place / "data.yaml")
    text = (place / "data.yaml").read_text()
    (place / "data.yaml").write_text(text.replace("path: .", f"path: {theirs.as_posix()}"))
    splits = splits_of(with_copies(settings_of(place, tmp_path / "run")).data[0])
    for split, records in splits.items():
        for record in records:
            source = theirs / "images" / split / f"{record.path.stem[-1]}.png"
            assert record.path.read_bytes() == source.read_bytes()


def test_the_copy_of_a_project_is_used_again(tmp_path, cells):
    images = sorted((tools.pairs(tmp_path / "theirs") / "images").iterdir())
    with Project.create(tmp_path / "project", images) as project:
        for n, image in enumerate(project.images):
            new = [replace(c, status="corrected") for c in cells(n=3, overlap=0.0, seed=n, shape=SHAPE, radius=5)]
            project.history(image.id).do("drawing", [Change((), c.id, None, c) for c in new])
            project.set_status(image.id, "reviewed")
    said: list[str] = []
    settings = settings_of(tmp_path / "project", tmp_path / "run")
    first = with_copies(settings, say=said.append)
    n = len(said)
    assert with_copies(settings, say=said.append) == first
    assert len(said) == n


PUT = """
import sys
from pathlib import Path
from napari_centermask.training.run import copies

def wait(text):
    print(text, flush=True)
    sys.stdin.readline()

remove = copies.shutil.rmtree
def slow(path, **options):
    if not options:  # the copy that has become old
        (Path(path) / "made_of.json").unlink()
        wait("removes")
    remove(path, **options)
copies.shutil.rmtree = slow
print("done", copies.readable([Path(sys.argv[1])], Path(sys.argv[2]))[0], flush=True)
"""


def test_a_process_of_the_run_never_removes_the_copy_of_another(tmp_path):
    theirs, place = tools.pairs(tmp_path / "theirs"), tmp_path / "run" / "data"
    readable([theirs], place)
    write(theirs / "images" / "z.tif", tools.image(9))
    write(theirs / "masks" / "z_mask.png", tools.labels())
    command = [sys.executable, "-c", PUT, str(theirs), str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "removes\n"
        found = []
        here = threading.Thread(target=lambda: found.extend(readable([theirs], place)))
        here.start()
        here.join(1.0)
        made = None if here.is_alive() else (place / "theirs").stat().st_ino
        other.communicate("\n", timeout=60)
        here.join(60)
    assert made is None or (place / "theirs").stat().st_ino == made
    assert found == [place / "theirs"]
    assert [path.name for path in place.iterdir()] == ["theirs"]
    assert set(splits_of(place / "theirs")) == {"train", "val"}
