"""Results by image, and their layers in the viewer."""

from __future__ import annotations

import numpy as np


def test_all_slices_of_a_stack_get_their_own_cells(viewer, dock, run_to_end, discs):
    stack = np.stack([discs(), discs([(60, 60)], values=[1.0]), discs()])
    viewer.add_image(stack, name="discs")
    assert dock.image.scope.currentData() == "all"
    run_to_end()
    cells = viewer.layers["discs cells"].data
    assert cells.shape == stack.shape
    assert [len(np.unique(p)) - 1 for p in cells] == [3, 1, 3]
    assert sorted(np.unique(cells)) == list(range(8))  # labels are unique over the stack
    assert list(viewer.layers["discs cells"].features["plane"]) == ["0", "0", "0", "1", "2", "2", "2"]


def test_one_slice_can_be_added_to_a_stack(viewer, dock, run_to_end, discs):
    viewer.add_image(np.stack([discs()] * 3), name="discs")
    dock.image.scope.setCurrentIndex(dock.image.scope.findData("plane"))
    for plane, expected in ((0, [3, 0, 0]), (2, [3, 0, 3])):
        viewer.dims.set_current_step(0, plane)
        run_to_end()
        assert [len(np.unique(p)) - 1 for p in viewer.layers["discs cells"].data] == expected
    assert [x.name for x in viewer.layers] == ["discs", "discs cells", "discs outlines"]


def test_the_active_layer_stays_when_results_come(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    assert viewer.layers.selection.active.name == "discs"


def test_deleting_the_cells_ends_the_result(viewer, dock, run_to_end, discs, qtbot):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    viewer.layers.remove("discs cells")
    qtbot.waitUntil(
        lambda: [x.name for x in viewer.layers] == ["discs"], timeout=5000
    )  # once napari's removal has ended
    assert "Run to see" in dock.cells.count.text()
    dock.cells.score._slider.setValue(70)
    run_to_end()
    assert "discs cells" in viewer.layers


def test_deleted_outlines_come_back_with_the_next_run(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    viewer.layers.remove("discs outlines")
    dock.cells.score._slider.setValue(70)
    assert len(np.unique(viewer.layers["discs cells"].data)) - 1 == 2
    run_to_end()
    assert [x.name for x in viewer.layers] == ["discs", "discs cells", "discs outlines"]


def test_a_layer_of_cells_means_its_image_and_other_layers_mean_none(viewer, dock, run_to_end, discs):
    image = viewer.add_image(discs(), name="discs").__wrapped__
    run_to_end()
    session = dock.session
    layers = viewer.__wrapped__.layers
    assert session.image_of(image) is image
    assert session.image_of(layers["discs cells"]) is image
    assert session.image_of(layers["discs outlines"]) is image
    assert session.image_of(viewer.add_labels(np.zeros((8, 8), int)).__wrapped__) is None
