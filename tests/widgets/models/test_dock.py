"""The models dock over a registry of its own: changes with a way back, names that are taken, what cannot be changed."""

from __future__ import annotations

from installed_models import choose, described, names
from napari.components import ViewerModel
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QMessageBox

from napari_centermask.models.store import registry
from napari_centermask.widgets.models.dock import ModelsDock
from napari_centermask.widgets.viewer.state import state_of


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


def test_it_opens_on_the_model_in_use_and_makes_another_one_the_one_in_use(home, qtbot):
    viewer = ViewerModel()
    in_use = state_of(viewer).in_use
    in_use.choose("second")
    dock = ModelsDock(viewer)
    qtbot.addWidget(dock)
    qtbot.waitUntil(lambda: len(dock.inventory.entries) == 2, timeout=30_000)
    tree, use = dock.list.tree, dock.list.use
    assert dock.list.chosen == "second"
    assert not use.isEnabled()
    choose(dock, "first")
    use.click()
    assert in_use.name == "first"
    assert [tree.topLevelItem(i).text(0) for i in range(2) if tree.topLevelItem(i).font(0).bold()] == ["first"]
    assert "in use already" in use.toolTip()
    qtbot.waitUntil(lambda: not dock.looker.is_running, timeout=30_000)


def test_a_comparison_is_with_another_model_and_above_the_long_card(dock):
    choose(dock, "second")
    assert dock.comparing.other.currentText() == "first"
    choose(dock, "first")
    assert dock.comparing.other.currentText() == "second"
    assert dock.comparing.start.mapTo(dock, QPoint()).y() < dock.card.mapTo(dock, QPoint()).y()
