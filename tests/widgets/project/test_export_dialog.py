"""The export: checked first, and written as chosen."""

import json

import numpy as np
from project_cells import cell, edits_of, ids

from napari_centermask.core.instances import Instances


def test_the_export_is_checked_first_and_goes_to_what_it_finds(project_dock, folder, qtbot):
    from napari_centermask.widgets.project.export_dialog import ExportDialog

    project_dock.open(folder)
    second = ids(project_dock)["field 1.tif"]
    twins = Instances((128, 144), [cell(score=0.9), cell(x=21, score=0.9)])
    project_dock.project.set_predictions(second, twins, model="m")
    dialog = ExportDialog(project_dock.project)
    qtbot.addWidget(dialog)
    titles = [dialog.tree.topLevelItem(n).text(0) for n in range(dialog.tree.topLevelItemCount())]
    assert titles == ["Duplicate (1)", "Not reviewed (2)"]
    dialog.split.setChecked(True)
    dialog.parts[0].setValue(50)
    assert not dialog.start.isEnabled()
    assert "The split adds up to 80 %" in dialog.problem.text()
    dialog.parts[1].setValue(50)
    dialog.parts[2].setValue(0)
    assert dialog.splits() == {"train": 0.5, "val": 0.5}
    dialog.tree.itemDoubleClicked.emit(dialog.tree.topLevelItem(0).child(0), 0)
    project_dock.look_at(*dialog.wanted)
    assert project_dock.session.current == second
    assert edits_of(project_dock).selected == tuple(sorted(c.id for c in edits_of(project_dock).result))


def test_the_export_writes_what_was_chosen(project_dock, folder, qtbot, notices):
    from napari_centermask.widgets.project.export_dialog import ExportDialog

    project_dock.open(folder)
    edits_of(project_dock).add(np.ones((9, 9), bool), (40, 40))
    project_dock.project.set_predictions(2, Instances((128, 144), [cell(score=0.9)]), model="m")
    dialog = ExportDialog(project_dock.project)
    qtbot.addWidget(dialog)
    dialog.masks.setCurrentIndex(1)
    assert not dialog.loss.isHidden()
    assert dialog.loss.text()
    dialog.folder.setText(str(folder.parent / "out"))
    dialog.copy.setChecked(True)
    dialog.start.click()
    assert notices()[-1].startswith("2 cells of 2 images exported")
    data = json.loads((folder.parent / "out" / "annotations.json").read_text())
    assert all(isinstance(a["segmentation"], list) for a in data["annotations"])
    assert len(list((folder.parent / "out" / "images").iterdir())) == 2
