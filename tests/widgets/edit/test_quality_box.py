"""The check before cells are used."""

from review_field import FIELD, cell

from napari_centermask.core.instances import Instance


def test_the_check_lists_findings_and_goes_there(open_dock):
    twin = Instance(6, FIELD[3].y0, FIELD[3].x0 + 1, FIELD[3].mask, status="accepted")
    tiny = cell(7, 100, 20, radius=1, status="accepted")
    dock = open_dock({(): (*FIELD, twin, tiny)})
    dock.quality.start.click()
    tree = dock.quality.tree
    titles = [tree.topLevelItem(n).text(0) for n in range(tree.topLevelItemCount())]
    assert titles == ["Tiny (1)", "Duplicate (1)", "Not reviewed (4)"]
    assert dock.quality.summary.text() == "6 things to check."
    tree.itemClicked.emit(tree.topLevelItem(1).child(0), 0)
    assert dock.edits.selected == (4, 6)
    dock.edits.run_tool("delete", ids=(6,))
    dock.settle()
    assert dock.quality.summary.text().endswith("Cells have changed since.")
