"""`segment` on worker processes: the same files as in one process, and nothing lost when something fails."""

import json
import os
import signal

import numpy as np
import pytest
import tifffile

from napari_centermask import cli
from napari_centermask.cli import workers
from napari_centermask.cli.demo import sample_image
from napari_centermask.cli.plan import plan
from napari_centermask.cli.worker import Outcome, Task
from napari_centermask.cli.workers import Workers, outcomes
from napari_centermask.core.errors import BadSettings, UserError
from napari_centermask.io.images import read_image
from napari_centermask.settings import SegmentSettings

pytest.importorskip("distributed")
FLAGS = ["--diameter", "20", "--engine", "openvino"]
SETTINGS = SegmentSettings(diameter=20, engine="openvino")


@pytest.fixture
def fields(tmp_path):
    """A folder of small images with real nuclei, of mixed sizes."""
    (tmp_path / "fields").mkdir()
    whole = next(read_image(sample_image()).planes())[1][0]
    for k, side in enumerate((96, 128, 160)):
        tifffile.imwrite(tmp_path / "fields" / f"{k}.tif", whole[50 * k : 50 * k + side, 100 : 100 + side])
    return tmp_path / "fields"


def tasks_of(folder, out):
    files = plan([folder], out, ["labels", "coco"])
    return [Task(f.absolute(), SETTINGS, None, None, {"models": []}, 1) for f in files]


def test_workers_write_what_one_process_writes(fields, tmp_path, capsys):
    (fields / "bad.tif").write_bytes(b"II*\0 nothing")
    reports = []
    for name, flags in (("one", []), ("two", ["--workers", "2"])):
        assert cli.run(["segment", str(fields), "--out", str(tmp_path / name), "--json", *FLAGS, *flags]) == 2
        reports.append(json.loads(capsys.readouterr().out))
    one, two = reports
    assert [r["n_instances"] for r in two["images"]] == [r["n_instances"] for r in one["images"]]
    assert sum(r["n_instances"] for r in two["images"]) > 5
    assert ["bad.tif" in why for why in two["failed"]] == [True]
    assert (two["engine"], two["device"]) == (one["engine"], one["device"])
    coco = [json.loads((tmp_path / name / "annotations.json").read_text()) for name in ("one", "two")]
    for here, there in zip(coco[0]["annotations"], coco[1]["annotations"], strict=True):
        assert here["segmentation"] == there["segmentation"]
        assert here["score"] == pytest.approx(there["score"], abs=1e-4)  # fewer threads add up in another order
    for k in range(3):
        labels = [tifffile.imread(tmp_path / name / f"{k}_labels.tif") for name in ("one", "two")]
        assert np.array_equal(*labels)


def test_each_worker_loads_the_model_once(fields, tmp_path):
    (tmp_path / "out").mkdir()
    found = [outcome for _, outcome in outcomes(tasks_of(fields, tmp_path / "out"), Workers(1), tmp_path)]
    assert [o.why for o in found] == [""] * 3
    assert {(o.process, o.loads) for o in found} == {(found[0].process, 1)}
    assert found[0].process.split()[0] != str(os.getpid())


def test_the_workers_of_a_scheduler_are_used(fields, tmp_path, capsys):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
    ) as cluster:
        command = ["segment", str(fields), "--out", str(tmp_path / "out"), "--json", *FLAGS]
        assert cli.run([*command, "--scheduler", cluster.scheduler_address]) == 0
    assert len(json.loads(capsys.readouterr().out)["images"]) == 3


def die(task):
    """In a worker, in place of `work`: the second image ends its process."""
    if task.files.image.stem == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(None, [], "worked", "", 0)


def test_an_image_that_kills_its_workers_does_not_stop_the_others(fields, tmp_path, monkeypatch):
    import dask

    monkeypatch.setattr(workers, "work", die)
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "0s"}):  # as if a worker came back late
        done = {n: outcome.why for n, outcome in outcomes(tasks_of(fields, tmp_path), Workers(1), tmp_path)}
    assert (done[0], done[2]) == ("worked", "worked")
    assert "1.tif: the workers that segmented it were killed" in done[1]
    assert "Use fewer --workers or a smaller --tile" in done[1]


def test_workers_that_do_not_come_back_end_the_run(fields, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_PATIENCE_S", 0.1)
    with pytest.raises(UserError, match="could not be started again"):
        list(outcomes(tasks_of(fields, tmp_path), Workers(0), tmp_path))


def stumble(task):
    """In a worker, in place of `work`: fails once for each image."""
    seen = task.files.image.with_suffix(".seen")
    if not seen.exists():
        seen.touch()
        raise ConnectionError("the network was down")
    return Outcome(None, [], "worked", "", 0)


def test_an_error_that_is_no_fault_of_the_image_is_tried_again(fields, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "work", stumble)
    assert [o.why for _, o in outcomes(tasks_of(fields, tmp_path), Workers(1), tmp_path)] == ["worked"] * 3


def test_a_scheduler_that_goes_away_is_named_and_what_is_done_is_kept(fields, tmp_path, monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(workers, "work", wait_for_ever)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
    ) as cluster:
        found = outcomes(tasks_of(fields, tmp_path), Workers(0, cluster.scheduler_address), tmp_path)
        assert next(found)[1].why == "worked"
        cluster.close()
        with pytest.raises(UserError, match="does not answer any more. What is done is kept"):
            next(found)


def wait_for_ever(task):
    """In a worker, in place of `work`: only the first image is ever done."""
    import threading

    if task.files.image.stem != "0":
        threading.Event().wait()
    return Outcome(None, [], "worked", "", 0)


def test_an_address_without_a_scheduler_is_refused(fields, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_WAIT_S", 0.5)
    with pytest.raises(BadSettings, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        next(outcomes(tasks_of(fields, tmp_path), Workers(0, "tcp://127.0.0.1:1"), tmp_path))


def test_workers_that_do_not_see_the_folder_are_refused(fields, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
    ) as cluster:
        found = outcomes(tasks_of(fields, tmp_path), Workers(0, cluster.scheduler_address), tmp_path / "elsewhere")
        with pytest.raises(BadSettings, match="does not see .*elsewhere. Images and results must be in folders"):
            next(found)


@pytest.mark.parametrize(
    ("flags", "says"),
    [(["--workers", "0"], "must be 1 or more"), (["--workers", "2", "--scheduler", "tcp://a:1"], "has no effect with")],
)
def test_flags_that_contradict_are_refused(fields, tmp_path, capsys, flags, says):
    assert cli.run(["segment", str(fields), "--out", str(tmp_path / "out"), *flags]) == 2
    assert says in capsys.readouterr().err


def test_a_plate_of_mixed_sizes_and_channels_names_what_it_cannot_use(fields, tmp_path, capsys):
    zarr = pytest.importorskip("zarr")
    root = zarr.open_group(store=str(tmp_path / "plate.ome.zarr"), mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    root.create_group("A/1").attrs["well"] = {"images": [{"path": str(k)} for k in range(4)]}
    for k, n_channels in enumerate((2, 1, 2, 2)):
        pixels = tifffile.imread(fields / f"{k % 3}.tif")
        field = root.create_group(f"A/1/{k}")
        field.attrs["multiscales"] = [{"axes": [{"name": a} for a in "cyx"], "datasets": [{"path": "0"}]}]
        array = field.create_array("0", shape=(n_channels, *pixels.shape), chunks=(1, 64, 64), dtype=pixels.dtype)
        array[...] = np.stack([pixels] * n_channels)
    (tmp_path / "plate.ome.zarr" / "A" / "1" / "3" / "0" / "1.0.0").write_bytes(b"nothing")
    command = ["segment", str(tmp_path / "plate.ome.zarr"), "--out", str(tmp_path / "out"), "--json", *FLAGS]
    assert cli.run([*command, "--channels", "1", "--workers", "1"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert [row["shape"] for row in report["images"]] == [[96, 96], [160, 160]]
    one, damaged = sorted(report["failed"])
    assert "A/1/1" in one
    assert "Channels must be between 0 and 0" in one
    assert "A/1/3" in damaged
    assert "Export it again" in damaged


def lose(task):
    """In a worker, in place of `work`: the second image ends its process once, and with it what the first one became."""
    seen = task.files.image.with_suffix(".seen")
    if task.files.image.stem == "1" and not seen.exists():
        seen.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(None, [], "worked", "", 0)


def test_what_is_lost_with_its_worker_is_worked_on_again(fields, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "work", lose)
    assert [o.why for _, o in outcomes(tasks_of(fields, tmp_path), Workers(1), tmp_path)] == ["worked"] * 3
