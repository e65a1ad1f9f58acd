"""The run file of a job holds from anywhere, and nothing earlier is written over."""

import pytest

import other_tools
from napari_centermask.core.errors import BadSettings
from napari_centermask.jobs.command import check_new_run, write_run
from napari_centermask.jobs.process import Job
from napari_centermask.settings import TrainSettings

from .conftest import POLITE  # noqa: TID252


def test_an_earlier_run_is_not_overwritten(act, settings):
    settings.out.mkdir(parents=True)
    (settings.out / "run.json").write_text("{}")
    (settings.out / "last.pt").write_bytes(b"state")
    act(POLITE)
    with pytest.raises(BadSettings, match="earlier run"):
        Job.start(settings)


def test_the_run_file_holds_from_anywhere(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").touch()
    given = {"data": ["fields"], "replay": ["known"], "out": "runs/a", "start": "model.safetensors"}
    written = TrainSettings.model_validate_json(write_run(TrainSettings(**given)).read_text())
    assert written.data + written.replay == [tmp_path / "fields", tmp_path / "known"]
    assert (written.out, written.start) == (tmp_path / "runs" / "a", str(tmp_path / "model.safetensors"))
    assert (
        TrainSettings.model_validate_json(write_run(written.model_copy(update={"start": "nuclei"})).read_text()).start
        == "nuclei"
    )


@pytest.mark.parametrize(
    ("make", "out", "why"),
    [
        (other_tools.pairs, ".", "has data, and the run would write its files among them"),
        (other_tools.pairs, "images", "has images or cells of the data"),
        (other_tools.stardist, "train/masks", "has images or cells of the data"),
        (other_tools.challenge, "01_GT/SEG", "has images or cells of the data"),
        (other_tools.pairs, "images/a.tif", "is a file, and a run needs a folder"),
    ],
)
def test_a_run_never_writes_among_the_data(tmp_path, make, out, why):
    folder = make(tmp_path / "data")
    with pytest.raises(BadSettings, match=why):
        check_new_run(folder / out, data=[tmp_path / "other", folder])
    check_new_run(folder / "runs" / "first", data=[folder])
    check_new_run(tmp_path, data=[folder])


@pytest.mark.parametrize("name", ["decoded", "pictures", "samples", "start", "unlabelled"])
def test_data_do_not_lie_where_the_run_has_folders_of_its_own(tmp_path, name):
    folder = other_tools.pairs(tmp_path / name)
    with pytest.raises(BadSettings, match=rf"{name} has data, .* Choose another --out, such as .*first"):
        check_new_run(tmp_path, data=[folder])
