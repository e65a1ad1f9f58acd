"""What a model does in the background of a project."""

from project_cells import edits_of, ids, statuses

from napari_centermask.settings import SegmentSettings


def test_the_next_images_are_predicted_in_the_background(project_dock, folder, qtbot):
    project_dock.open(folder)
    project_dock.session._last = SegmentSettings(model="fake", score=0.3, diameter=20.0, percentiles=(0, 100))
    project_dock.background.wanted.setChecked(True)
    wanted = ["untouched", "predicted", "predicted", "predicted", "untouched"]
    qtbot.waitUntil(lambda: statuses(project_dock)[:5] == wanted, timeout=20_000)
    assert project_dock.background.status.text() == ""
    result = project_dock.project.result(ids(project_dock)["field 1.tif"])
    assert result.n_visible() == 3
    assert {c.source for c in result} == {"fake"}
    project_dock.navigation.next.click()
    assert len(edits_of(project_dock).result) == 3
    qtbot.waitUntil(
        lambda: project_dock.background.status.text().startswith("field 4.tif was left out"), timeout=20_000
    )
    assert statuses(project_dock)[4] == "untouched"
