"""What the Compress dock offers, the plan that it makes, and its table."""

from pathlib import Path

import pytest

from napari_centermask.deploy.compress.plan import Plan, check_order
from napari_centermask.widgets.compress.controls import (
    STEPS,
    DockState,
    controls,
    is_annotated,
    plan_of,
    proposed_name,
)
from napari_centermask.widgets.compress.table import cells, headings
from napari_centermask.widgets.compress.tasks import part_of

READY = {"model": "nuclei", "data": Path("fields"), "name": "small"}
ALL = {"steps": tuple(STEPS), "is_annotated": True}


def test_everything_is_there():
    shown = controls(DockState(**READY))
    assert shown.start.enabled
    assert not shown.cancel.enabled
    assert not shown.use.enabled
    assert not shown.open_folder.enabled
    assert controls(DockState(**READY | ALL)).start.enabled


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": ""}, "There is no model"),
        ({"is_compressed": True}, "compressed already"),
        ({"steps": ()}, "Tick a step"),
        ({"data": None}, "Choose images"),
        ({"name": ""}, "a name"),
        ({"name": "cells", "taken": frozenset(["cells"])}, "already a model 'cells'"),
        ({"can_quantise": False}, "ONNX Runtime: pip install x"),
        (ALL | {"can_train": False}, "torch-pruning: pip install y"),
        (ALL | {"has_weights": False}, "has only graphs"),
        (ALL | {"is_annotated": False}, "Choose a project"),
        (ALL | {"steps": ("qat",)}, "only prepares"),
        (ALL | {"method": "dynamic"}, "only prepares"),
        ({"is_running": True}, "is running"),
    ],
)
def test_a_button_that_cannot_work_says_why(changes, why):
    start = controls(DockState(**READY | changes), install="pip install x", install_training="pip install y").start
    assert not start.enabled
    assert why in start.tooltip


def test_steps_that_train_need_packages_and_the_quantisation_does_not():
    shown = controls(DockState(**READY, can_train=False), install_training="pip install y").steps
    assert [step for step, box in shown.items() if box.enabled] == ["quantise"]
    assert "pip install y" in shown["prune"].tooltip


def test_a_new_model_can_be_used_until_it_is():
    done = READY | {"made": "small", "folder": "out"}
    assert controls(DockState(**done)).use.enabled
    assert controls(DockState(**done)).open_folder.enabled
    assert "is in use" in controls(DockState(**done, in_use="small")).use.tooltip


def test_the_plan_is_one_of_the_command_in_the_default_order(tmp_path):
    values = {step: {} for step in STEPS} | {"prune": {"part": 0.2}, "quantise": {"method": "nncf"}}
    plan = Plan.model_validate(plan_of(DockState(**READY | ALL), values, accepted=0.02, out=tmp_path))
    check_order(plan)
    assert [step.do for step in plan.steps] == ["prune", "distil", "qat", "quantise"]
    assert (plan.steps[0].part, plan.steps[0].accepted, plan.accepted) == (0.2, 1.0, 0.02)
    assert (plan.data, plan.images, plan.name) == (Path("fields"), None, "small")
    alone = Plan.model_validate(plan_of(DockState(**READY), {"quantise": {}}, accepted=0.01, out=tmp_path))
    assert (alone.data, alone.images) == (None, Path("fields"))


def test_a_name_that_no_model_has_is_proposed():
    taken = frozenset(["nuclei", "nuclei-int8"])
    assert proposed_name("nuclei", ("quantise",), "static", taken) == "nuclei-int8-2"
    assert proposed_name("nuclei", ("quantise",), "float16", taken) == "nuclei-half"
    assert proposed_name("nuclei", ("prune", "quantise"), "static", taken) == "nuclei-small"


@pytest.mark.parametrize("name", ["project.json", "annotations.json", "annotations_val.json"])
def test_projects_and_folders_with_annotations_are_annotated(tmp_path, name):
    assert not is_annotated(tmp_path)
    (tmp_path / name).write_text("{}")
    assert is_annotated(tmp_path)


def row(step, **values):
    scores = {"ap50": 0.84, "ap_mean": 0.66, "coco_ap": 0.67, "coco_ap50": 0.9, "same50": None, "same90": None}
    given = {"step": step, "megabytes": 17.1, "parameters": 4_200_000, "gflops": 12.0, "latency_ms": 200.0}
    rest = {"images_per_second": 5.0, "memory_mb": None, "gpu_mb": None, "accepted": True, "loss": 0.0}
    return given | rest | {"scores": scores} | values


def test_the_table_has_a_column_for_each_step():
    steps = [
        row("nuclei"),
        row("prune", accepted=False),
        row("prune + int8, 10% of the layers float", latency_ms=80.0, memory_mb=300.4),
    ]
    assert headings(steps) == ["nuclei", "+ prune", "+ int8"]
    lines = {title: rest for title, *rest in cells(steps)}
    assert lines["times as fast"] == ["1.00", "1.00", "2.50"]
    assert lines["memory, MiB"] == ["-", "-", "300"]
    assert lines["loss accepted"] == ["yes", "no", "yes"]
    assert cells([]) == []


def test_progress_follows_the_lines_of_the_command():
    lines = [
        "",
        "Start model: Judging on image 6 of 11",
        "Step 1 of 2 (prune)",
        "Step 1 of 2 (prune): Training step 20 of 39, loss 0.512",
        "Step 2 of 2 (quantise): Judging on image 11 of 11",
        "Timing all steps",
    ]
    assert [part_of(line, 2) for line in lines] == [0, 0.5, 1, 1.5, pytest.approx(2 + 11 / 12), 3]
