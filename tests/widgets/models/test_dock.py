"""The models dock over a registry of its own: cards, lineage, changes with a way back, comparing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from qtpy.QtWidgets import QMessageBox

from napari_centermask.core.errors import BadModel
from napari_centermask.models.store import registry, zoo
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings


def card(name: str, parent: str | None = None, *, description: str = "Finds cells.") -> ModelCard:
    training = {
        "steps": 1200,
        "minutes": 9.5,
        "machine": "cpu, 2 threads",
        "data": {"mine": {"train": "0123456789abcdef"}},
        "learned": {"0123456789abcdef": [[0, 0, 64, 80]], "fedcba9876543210": [[0, 0, 64, 40]]},
        "curves": [{"step": s, "loss": 1 / s} for s in (10, 20)] + [{"step": 20, "AP": 0.4, "AP50": 0.6}],
    }
    return ModelCard(
        name=name,
        licence="CC0-1.0",
        model=ModelSettings(categories=["cell"], top_levels=0),
        diameter=20.0,
        parent=parent,
        training=training,
        metrics={"val": {"AP": 0.4, "AP50": 0.6}, "test": {"fields": {"bioimage_ap_mean": 0.512, "n": 3}}},
        limits=["Not for <tissue>."],
        description=description,
        created="2026-01-02",
    )


def install(home: Path, name: str, parent: str | None = None, **fields: str) -> None:
    """A model of graphs; the files hold nothing but their card, which is all that a list needs."""
    folder = home / "models" / name
    folder.mkdir(parents=True)
    for kind in ("dense", "roi"):
        (folder / f"{name}.{kind}.onnx").write_bytes(
            json.dumps([kind, card(name, parent, **fields).model_dump()]).encode()
        )


def read_card(path: Path) -> ModelCard:
    try:
        return ModelCard(**json.loads(path.read_text())[1])
    except FileNotFoundError:
        raise BadModel(f"{path} does not exist.") from None


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Two models, one made from the other; cards are read from small files."""
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path))
    monkeypatch.setattr(zoo, "shipped_folder", lambda: tmp_path / "shipped")
    monkeypatch.setattr(zoo, "_read_card", read_card)
    install(tmp_path, "first")
    install(tmp_path, "second", parent="first")
    return tmp_path


@pytest.fixture
def dock(home, qtbot):
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QMainWindow

    from napari_centermask.widgets.models.dock import ModelsDock

    window = QMainWindow()
    qtbot.addWidget(window)
    dock = ModelsDock(ViewerModel())
    window.setCentralWidget(dock)
    window.show()
    qtbot.waitUntil(lambda: len(dock.inventory.entries) == 2, timeout=30_000)
    yield dock
    qtbot.waitUntil(lambda: not (dock.looker.is_running or dock.worker.is_running), timeout=30_000)


@pytest.fixture
def done(dock, qtbot):
    """Wait until what was asked is done and the list shows it."""
    return lambda: qtbot.waitUntil(lambda: not (dock.looker.is_running or dock.worker.is_running), timeout=30_000)


def names(dock) -> list[str]:
    tree = dock.list.tree
    return [f"{tree.topLevelItem(i).text(0)} {tree.topLevelItem(i).text(2)}" for i in range(tree.topLevelItemCount())]


def choose(dock, name: str, place: str = "") -> None:
    tree = dock.list.tree
    items = [tree.topLevelItem(i) for i in range(tree.topLevelItemCount())]
    tree.setCurrentItem(next(i for i in items if i.text(0) == name and i.text(2).startswith(place)))


def described(dock) -> dict[str, str]:
    """The description of each model that is offered."""
    return {entry.model.name: entry.model.card.description for entry in dock.inventory.entries}


@pytest.fixture
def add(dock, done, home):
    """Install another model while the dock is open."""

    def make(name: str, description: str) -> None:
        install(home, name, description=description)
        dock.look()
        done()

    return make


@pytest.fixture
def click(dock, done):
    """Click a button of the list and wait."""

    def act(button: str) -> None:
        getattr(dock.list, button).click()
        done()

    return act


def test_a_card_tells_what_a_model_was_made_from_and_how_good_it_is(dock):
    choose(dock, "second")
    text = dock.card.text.text()
    for part in (
        "second ← first",
        "1,200 steps in 9.5 minutes",
        "mine (01234567)",
        "2 images, with those of its parents",
        "3 channels,",
        "AP 0.400",
        "Not for &lt;tissue&gt;.",
    ):
        assert part in text
    assert "test fields: bioimage AP 0.512" in text
    dock.card.fold.expand(animate=False)
    assert dock.card.curves.plots[0].lines["loss"].getData()[0].tolist() == [10, 20]
    choose(dock, "first")
    assert "made from it</td><td>second" in dock.card.text.text()


def test_rename_archive_and_delete_are_undone_one_after_the_other(dock, done, home):
    before = names(dock)
    choose(dock, "second")
    dock.rename("better")
    done()
    assert names(dock) == ["better 2026-01-02", "first 2026-01-02"]
    choose(dock, "better")
    dock.list.archive.click()
    done()
    assert names(dock) == ["first 2026-01-02", "better archived"]
    choose(dock, "first")
    dock.list.delete.click()
    done()
    assert [name[:14] for name in names(dock)] == ["better archive", "first deleted "]
    for _ in range(3):
        dock.list.undo.click()
        done()
    assert names(dock) == before
    assert not dock.list.undo.isEnabled()
    assert sorted(p.name for p in (home / "models" / "second").iterdir()) == ["second.dense.onnx", "second.roi.onnx"]


def test_bring_back_and_undo_know_the_archive_from_the_deleted(dock, click, add):
    choose(dock, "second")
    click("delete")
    add("second", "The new one.")
    choose(dock, "second", "2026")
    click("archive")
    click("undo")
    assert described(dock)["second"] == "The new one."
    choose(dock, "second", "2026")
    click("archive")
    choose(dock, "second", "archived")
    assert dock.list.archive.text() == "Bring back"
    click("archive")
    assert described(dock)["second"] == "The new one."
    assert [name.split()[1] for name in names(dock)] == ["2026-01-02", "2026-01-02", "deleted"]


def test_an_undo_that_failed_can_be_tried_again(dock, click, add, done, home, notices):
    choose(dock, "second")
    click("delete")
    add("second", "The new one.")
    click("undo")
    assert "already installed" in notices()[-1]
    assert described(dock)["second"] == "The new one."
    assert "Deleted 'second'" in dock.list.undo.toolTip()
    registry.rename_model("second", "newer")
    click("undo")
    assert described(dock) == {"first": "Finds cells.", "newer": "The new one.", "second": "Finds cells."}
    assert not dock.list.undo.isEnabled()


def test_an_undo_of_what_is_gone_does_not_bar_the_one_before(dock, click, done, notices):
    choose(dock, "first")
    click("archive")
    choose(dock, "second")
    click("delete")
    registry.restore_model("second")
    click("undo")
    assert "no longer among the deleted ones" in notices()[-1]
    click("undo")
    assert sorted(described(dock)) == ["first", "second"]


def test_deleted_models_are_brought_back_from_the_list_each_as_itself(dock, click, add, done):
    choose(dock, "second")
    click("delete")
    add("second", "The new one.")
    choose(dock, "second", "2026")
    click("delete")
    dock.history.clear()  # as in a dock that was closed and opened
    newest, oldest = dock.inventory.deleted
    assert dock.list.deleted in (newest, oldest)
    assert dock.entry is None
    for button in (dock.list.rename, dock.list.export, dock.comparing.start):
        assert not button.isEnabled()
        assert "Bring it back first" in button.toolTip()
    tree = dock.list.tree
    tree.setCurrentItem(tree.topLevelItem(tree.topLevelItemCount() - 1))
    assert dock.list.deleted == oldest
    click("archive")
    assert described(dock)["second"] == "Finds cells."
    click("undo")
    assert dock.inventory.deleted == (newest, oldest)


def test_a_deleted_model_is_deleted_for_good_only_when_the_person_agrees(dock, click, monkeypatch):
    choose(dock, "second")
    click("delete")
    (deleted,) = dock.inventory.deleted
    choose(dock, "second", "deleted")
    assert dock.list.delete.text() == "Delete for good…"
    for answer, left in (("No", (deleted,)), ("Yes", ())):
        button = getattr(QMessageBox.StandardButton, answer)
        monkeypatch.setattr(QMessageBox, "question", lambda *_, button=button: button)
        click("delete")
        assert dock.inventory.deleted == left
    assert not deleted.folder.exists()
    assert dock.list.delete.text() == "Delete"


def test_undo_goes_back_over_a_deleted_model_that_was_brought_back(dock, click):
    before = names(dock)
    choose(dock, "second")
    click("delete")
    choose(dock, "second", "deleted")
    click("archive")
    assert names(dock) == before
    click("undo")
    assert sorted(described(dock)) == ["first"]
    click("undo")
    assert names(dock) == before
    assert not dock.list.undo.isEnabled()


def test_a_name_that_is_taken_is_refused_in_words(dock, done, notices):
    choose(dock, "second")
    dock.rename("first")
    done()
    assert "already installed" in notices()[-1]
    assert not dock.list.undo.isEnabled()
    assert len(dock.inventory.entries) == 2


def test_export_copies_the_files_and_overwrites_none(dock, done, tmp_path, notices):
    choose(dock, "second")
    (tmp_path / "out").mkdir()
    dock.export(tmp_path / "out")
    done()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["second.dense.onnx", "second.roi.onnx"]
    dock.export(tmp_path / "out")
    done()
    assert "already" in notices()[-1]


def test_shipped_models_cannot_be_changed(home, qtbot, dock, done):
    (home / "models" / "first").rename(home / "models" / "kept")
    (home / "shipped").mkdir()
    (home / "models" / "kept").rename(home / "shipped" / "first")
    dock.look()
    done()
    choose(dock, "first")
    assert not dock.list.delete.isEnabled()
    assert "part of the plugin" in dock.list.delete.toolTip()


def test_two_models_are_compared_in_a_separate_process(dock, done, tmp_path, monkeypatch):
    from napari_centermask.widgets.models import tasks

    seen = []

    def child(arguments):
        seen.append(arguments)
        yield None
        out = Path(arguments[arguments.index("--json") + 1])
        verdict = {"recommended": True, "difference": 0.1, "interval": [0.0, 0.2], "luck": 0.01, "unit": "images"}
        values = {"old": {"f1": 0.5}, "new": {"f1": 0.6}, "per_image": [{"name": "a", "n_truth": 1}]}
        out.write_text(json.dumps(values | {"verdict": verdict | {"sentence": "Better."}}))
        return ""

    monkeypatch.setattr(tasks, "run_child", child)
    choose(dock, "second")
    assert not dock.comparing.start.isEnabled()
    (tmp_path / "data").mkdir()
    dock.add_data(tmp_path / "data")
    dock.comparing.other.setCurrentText("first")
    dock.comparing.start.click()
    done()
    assert seen[0][:5] == ["compare", "first", "second", "--data", str(tmp_path / "data")]
    assert dock.comparing.result.verdict.text() == "Better."
    assert dock.comparing.result.isVisible()


def test_a_child_that_fails_is_explained_by_its_last_words():
    from napari_centermask.jobs.child import ChildFailed, run_child

    with pytest.raises(ChildFailed, match="Choose an installed model"):
        list(run_child(["models", "info", "no-such-model"]))
