"""A plan from start to end: judged steps, a table, a model of the registry."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
import torch

import other_tools
from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.deploy.compress import run, tune
from napari_centermask.deploy.compress.judge import Judge
from napari_centermask.deploy.compress.plan import Plan, QuantiseStep
from napari_centermask.io.coco.document import read_coco
from napari_centermask.models.store import registry, zoo


@pytest.fixture(autouse=True)
def _timed_once(monkeypatch):
    for name in ("_ROUNDS", "_FIRST_ROUNDS"):
        monkeypatch.setattr(run, name, 1)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))


def _plan(files, folder, tmp_path, **values):
    given = {"images": folder, "steps": [QuantiseStep()], "diameter": 40.0, "accepted": 1.0, "most_images": 3}
    return Plan(**({"model": str(files.weights), "out": tmp_path / "out"} | given | values))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("family", ["centermask", "unet"])
def test_int8_is_judged_timed_and_installed_with_its_own_card(models, images, tmp_path, family, monkeypatch):
    monkeypatch.setattr(run.table, "recommended", lambda rows: (1, "Use it."))
    result = run.compress(_plan(models[family], images, tmp_path, name="small"))
    assert [row.step for row in result.rows] == [family, "int8"]
    assert result.rows[1].megabytes < result.rows[0].megabytes
    assert result.rows[0].scores.same90 == (1.0 if family == "unet" else None)  # whose random masks are empty
    installed = zoo.find_model("small")
    assert installed.weights is None
    card = installed.card
    assert card.parent == family
    assert card.training["compression"]["steps"][0]["method"] == "static"
    assert card.metrics["parity"]["same_cells_as"] == family
    assert card.diameter == models[family].card.diameter
    assert registry.lineage(installed)[1].sha256 == registry.weights_hash(models[family].weights)
    table = json.loads((tmp_path / "out" / "table.json").read_text())
    assert table["recommendation"] == "Use it."
    assert (tmp_path / "out" / "speed.png").is_file()
    with pytest.raises(BadModel, match="compressed model already"):
        run.compress(_plan(models[family], images, tmp_path, model="small"))


def test_layers_stay_float_until_the_loss_is_accepted(models, images, tmp_path, monkeypatch):
    true, asked = Judge.score, []

    def score(self, engine):
        asked.append(engine)
        return dataclasses.replace(true(self, engine), ap50=0.5 if len(asked) < 3 else 1.0)

    monkeypatch.setattr(Judge, "score", score)
    result = run.compress(_plan(models["unet"], images, tmp_path, accepted=0.01))
    assert [row.step for row in result.rows] == ["unet", "int8, 25% of the layers float"]
    kept = zoo.find_model(tmp_path / "out" / "1-quantise").card.training["compression"]["steps"][0]["kept_float"]
    assert kept["maps"]


def test_a_step_that_loses_too_much_ends_the_plan_and_is_not_recommended(models, images, tmp_path, monkeypatch):
    monkeypatch.setattr(Judge, "score", lambda self, engine: dataclasses.replace(self.start(engine), ap50=0.1))
    said = []
    plan = _plan(models["unet"], images, tmp_path, steps=[QuantiseStep(method="float16")], accepted=0.01)
    result = run.compress(plan, say=said.append)
    assert any("loses more AP50" in text for text in said)
    assert result.sentence.startswith("Keep 'unet' as it is")
    assert result.files.weights == models["unet"].weights


@pytest.mark.usefixtures("home")
def test_a_plan_prunes_distils_prepares_and_quantises(models, data, tmp_path):
    short = {"steps": 1, "batch": 1, "tile": 64}
    steps = [
        {"do": "prune", "part": 0.5, "criterion": "gradient", **short},
        {"do": "distil", "teachers": [str(models["unet"].weights)], **short},
        {"do": "qat", **short},
        {"do": "quantise"},
    ]
    given = {"data": data, "images": None, "steps": steps, "most_images": 2}
    result = run.compress(_plan(models["unet"], None, tmp_path, **given))
    names = ["prune", "prune + distil", "prune + distil + qat", "prune + distil + qat + int8"]
    assert [row.step for row in result.rows] == ["unet", *names]
    start, pruned, *_, last = result.rows
    assert pruned.parameters == last.parameters < 0.8 * start.parameters
    assert pruned.gflops < start.gflops
    assert last.megabytes < pruned.megabytes < start.megabytes
    assert result.rows[0].scores.coco_ap is not None


def test_the_graphs_of_a_step_that_trains_take_as_little_space_as_those_before(models, data, tmp_path):
    step = {"do": "distil", "steps": 1, "batch": 1, "tile": 64}
    result = run.compress(_plan(models["unet"], None, tmp_path, data=data, steps=[step]))
    start, trained = result.rows
    assert start.megabytes < 2.6 * start.parameters / 1e6
    assert trained.megabytes == pytest.approx(start.megabytes, rel=0.05)
    assert trained.parameters - start.parameters == 256  # biases of the norms, which were zero


@pytest.mark.parametrize("method", ["dynamic", "nncf", "float16"])
def test_what_a_step_trained_can_be_quantised_by_every_method(models, data, tmp_path, method):
    if method == "nncf":
        pytest.importorskip("nncf")
    steps = [{"do": "distil", "steps": 1, "batch": 1, "tile": 64}, {"do": "quantise", "method": method}]
    result = run.compress(_plan(models["unet"], None, tmp_path, data=data, steps=steps))
    _, trained, last = result.rows
    assert last.scores.same50 == 1.0
    assert last.megabytes < (1.02 if method == "float16" else 0.7) * trained.megabytes


@pytest.mark.parametrize(("do", "rounded"), [("distil", True), ("prune", True), ("qat", False)])
def test_training_computes_in_bfloat16_except_where_int8_is_simulated(models, data, tmp_path, monkeypatch, do, rounded):
    monkeypatch.setattr(tune, "choose_precision", lambda amp, device: torch.bfloat16 if amp == "auto" else None)
    seen, true = [], tune.parts_of

    def losses(network, *given, **named):
        seen.append(torch.is_autocast_enabled("cpu"))
        return true(network.settings).losses(network, *given, **named)

    monkeypatch.setattr(tune, "parts_of", lambda settings: SimpleNamespace(losses=losses))
    steps = [{"do": do, "steps": 1, "batch": 1, "tile": 64}, {"do": "quantise"}]
    run.compress(_plan(models["unet"], None, tmp_path, data=data, steps=steps))
    assert seen == [rounded]


def test_the_table_is_written_after_each_step_and_the_recommendation_at_the_end(models, images, tmp_path, monkeypatch):
    monkeypatch.setattr(Judge, "score", lambda self, engine: self.start(engine))
    steps = [QuantiseStep(method="float16")]
    plan, seen = _plan(models["unet"], images, tmp_path, steps=steps), []

    def say(text):
        if text.startswith(("Step 1 of 1 (quantise)", "Timing all steps")) and ": " not in text:
            table = json.loads((tmp_path / "out" / "table.json").read_text())
            seen.append((len(table["rows"]), table["recommendation"]))

    run.compress(plan, say=say)
    assert seen == [(1, ""), (1, "")]
    table = json.loads((tmp_path / "out" / "table.json").read_text())
    assert (len(table["rows"]), bool(table["recommendation"])) == (2, True)


def test_steps_that_train_are_refused_for_a_model_of_graphs_before_anything_is_judged(models, data, tmp_path):
    said = []
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in models["unet"].graphs:
        (bare / path.name).write_bytes(path.read_bytes())
    given = {"model": str(bare), "data": data, "images": None, "steps": [{"do": "prune", "steps": 1}]}
    with pytest.raises(BadModel, match="has only ONNX graphs, and the step prune needs weights"):
        run.compress(_plan(models["unet"], None, tmp_path, **given), say=said.append)
    assert not said


def test_annotations_without_splits_are_divided_into_a_copy(models, data, tmp_path):
    (data / "annotations_train.json").rename(data / "annotations.json")
    (data / "annotations_val.json").unlink()
    given = {"data": data, "images": None, "steps": [QuantiseStep(method="float16")]}
    run.compress(_plan(models["unet"], None, tmp_path, **given))
    assert {p.name for p in (tmp_path / "out" / "data").iterdir()} >= {"annotations_train.json", "annotations_val.json"}
    assert not (data / "annotations_val.json").exists()


def test_data_of_another_tool_are_copied_with_their_splits(models, tmp_path):
    theirs = other_tools.stardist(tmp_path / "theirs")
    given = {"data": theirs, "images": None, "steps": [QuantiseStep(method="float16")]}
    run.compress(_plan(models["unet"], None, tmp_path, **given))
    counts = {s: len(read_coco(tmp_path / "out" / "data" / f"annotations_{s}.json")) for s in ("train", "val", "test")}
    assert counts["test"] == 2
    assert counts["train"] >= 5


def test_the_copy_replaces_nothing_of_data_beside_the_results(models, data, tmp_path):
    (tmp_path / "out").mkdir()
    theirs = data.rename(tmp_path / "out" / "data")
    (theirs / "annotations_train.json").rename(theirs / "annotations.json")
    (theirs / "annotations_val.json").rename(theirs / "annotations_test.json")
    before = {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()}
    given = {"data": theirs, "images": None, "steps": [QuantiseStep(method="float16")]}
    run.compress(_plan(models["unet"], None, tmp_path, **given))
    assert {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()} == before


def test_teachers_are_looked_up_before_anything_is_judged(models, data, tmp_path):
    said, steps = [], [{"do": "distil", "teachers": ["nobody"]}]
    with pytest.raises(BadModel, match="There is no model 'nobody'"):
        run.compress(_plan(models["unet"], None, tmp_path, data=data, images=None, steps=steps), say=said.append)
    assert not said


@pytest.mark.parametrize(
    ("family", "changes", "words"),
    [
        ("centermask", {}, "A teacher is a unet for cell with 1 channels, the student a centermask for cell with 3"),
        ("unet", {"border": False}, "A teacher predicts other maps than the student"),
        ("unet", {"categories": ["living", "dead"]}, "the student a unet for living, dead"),
        ("unet", {"attention": "gate", "architecture": "fpn"}, "The student of the plan cannot be made: "),
    ],
)
def test_a_student_that_does_not_suit_its_teacher_is_refused_before_anything_is_judged(
    models, data, tmp_path, family, changes, words
):
    student = models[family].card.model.model_copy(update=changes)
    said, steps = [], [{"do": "distil", "student": student.model_dump(), "steps": 1}]
    plan = _plan(models["unet"], None, tmp_path, data=data, images=None, steps=steps)
    with pytest.raises(BadSettings, match=words):
        run.compress(plan, say=said.append)
    assert not said
