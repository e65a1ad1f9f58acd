"""The window of the demo."""

from __future__ import annotations

import pytest
from cell_files import write_both
from qtpy.QtTest import QTest

pytestmark = pytest.mark.usefixtures("plugin")


def test_the_demo_window_shows_the_image_and_its_cells(make_napari_viewer, engine, tmp_path, monkeypatch):
    import napari

    from napari_centermask.widgets.viewer import demo

    viewer = make_napari_viewer()
    fitted = []
    monkeypatch.setattr(type(viewer), "reset_view", lambda self, **_: fitted.append(True))
    monkeypatch.setattr(napari, "Viewer", lambda **options: viewer)
    monkeypatch.setattr(napari, "run", lambda: [fitted.clear(), QTest.qWait(10)])
    coco = write_both(tmp_path)
    demo.show(tmp_path / "field0.png", coco)
    assert [x.name for x in viewer.layers] == ["field0", "field0 cells", "field0 outlines"]
    assert fitted  # once more, as the dock has taken some of the width
