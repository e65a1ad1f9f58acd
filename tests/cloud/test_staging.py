"""What travels to another machine: data without what lies beside them, a run file with its paths, a hash of the content."""

import json

import pytest

from napari_centermask.cloud.staging import content_hash, plain_name, stage
from napari_centermask.settings import TrainSettings


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "my project"
    for name in ("images/a.png", "annotations_train.json", "annotations_val.json", "runs/old/last.pt", "project.json"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def test_only_images_and_annotations_travel_and_the_run_file_has_the_paths_there(project, tmp_path):
    settings = TrainSettings(data=[project], replay=[project], out=tmp_path / "My run", device="cpu")
    staged = stage(settings, tmp_path / "staged")
    assert staged.inputs.keys() == {"data_0", "replay_0"}
    there = {path.name for path in staged.inputs["data_0"].iterdir()}
    assert there == {"images", "annotations_train.json", "annotations_val.json"}
    assert staged.command == (
        "python -m napari_centermask train run.json --json --data ${{inputs.data_0}} --replay ${{inputs.replay_0}} "
        "--out outputs/My-run"
    )
    run = json.loads((staged.code / "run.json").read_text())
    assert (run["out"], run["device"]) == ("outputs/My-run", "auto")
    assert (staged.code / "napari_centermask" / "training").is_dir()
    assert not (staged.code / "napari_centermask" / "widgets").exists()


def test_the_hash_follows_names_and_contents_and_not_places(project, tmp_path):
    first = content_hash(project)
    moved = project.rename(tmp_path / "elsewhere")
    assert content_hash(moved) == first
    (moved / "images" / "a.png").write_text("changed")
    assert content_hash(moved) != first


def test_names_are_those_that_services_allow():
    assert plain_name("Müller / 2026 (2)") == "M-ller-2026-2"
    assert plain_name("***") == "run"
