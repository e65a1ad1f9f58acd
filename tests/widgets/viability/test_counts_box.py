"""Counts along an axis."""

from dataclasses import replace

from stained_cells import field, kinds, shown


def test_time_and_depth_are_counted_along_either(viewer, open_dock):
    cells = {(t, z): field(100 * t + 10 * z)[: t + z + 2] for t in range(2) for z in range(3)}
    dock = open_dock(cells, leading=(2, 3), axis_labels=("z", "t", "y", "x"))
    assert dock.counts.axis.currentText() == "Along t (3)"
    model = dock.counts.frames.counts
    assert model.numbers.sum(axis=1).tolist() == [5, 7, 9]
    dock.counts.axis.setCurrentIndex(0)
    dock.counts.axis.activated.emit(0)
    assert model.numbers.sum(axis=1).tolist() == [9, 12]
    dock.counts.frames.picked.emit(1)
    assert viewer.dims.current_step[:2] == (1, 1)  # napari begins in the middle
    assert shown(dock, (1, 1)) == kinds(dock, (1, 1)) == [1, 1, 2, 2]


def test_plain_nuclei_are_counted_in_words_without_a_viability(open_dock):
    nuclei = {(): [replace(cell, category=1, probabilities=()) for cell in field()]}
    dock = open_dock(nuclei, categories={1: "nucleus"})
    assert dock.counts.summary.image.text() == f"Image: {len(nuclei[()])} nuclei."


def test_two_categories_of_which_none_is_called_dead_have_a_viability_once_you_choose(open_dock):
    dock = open_dock({(): field()}, categories={1: "nucleus", 2: "cell"})
    assert "Viability" not in dock.counts.summary.image.text()
    assert "Choose under 'Dead is'" in dock.threshold.note.text()
    assert dock.threshold.category.isEnabled()
    assert dock.threshold.category.currentIndex() == -1
    assert not dock.threshold.slider.isEnabled()
    dock.threshold.picked.emit(2)
    assert "Viability" in dock.counts.summary.image.text()
    assert dock.threshold.slider.isEnabled()
