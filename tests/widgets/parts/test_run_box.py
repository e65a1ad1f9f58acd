"""How far a run is."""

from napari_centermask.widgets.parts.run_box import RunBox


def test_the_bar_moves_to_and_fro_until_the_first_tile_and_is_empty_at_the_end(qtbot):
    box = RunBox()
    qtbot.addWidget(box)
    box.show_start()
    assert (box.progress.minimum(), box.progress.maximum()) == (0, 0)
    box.show_progress(0, "Loading")
    assert (box.progress.maximum(), box.status.text()) == (0, "Loading")
    box.show_progress(0.25, "Tile 2 of 8")
    assert box.progress.value() / box.progress.maximum() == 0.25
    box.show_end()
    assert box.progress.value() == 0
    assert box.status.text() == "Tile 2 of 8"


def test_what_has_nothing_to_show_takes_no_room(qtbot):
    box = RunBox()
    qtbot.addWidget(box)
    box.show()
    assert not box.progress.isVisible()
    assert not box.status.isVisible()
    low = box.sizeHint().height()
    box.show_start()
    assert box.progress.isVisible()
    assert box.sizeHint().height() > low
    box.show_progress(0.5, "Tile 4 of 8")
    box.show_end()
    assert not box.progress.isVisible()
    assert box.status.isVisible()
    box.status.setText("")
    assert box.sizeHint().height() == low


def test_a_long_name_on_the_button_is_shortened_and_does_not_widen_the_box(qtbot):
    box = RunBox()
    qtbot.addWidget(box)
    width = box.minimumSizeHint().width()
    box.start.setText("Run on " + "a_very_long_name_of_an_image" * 5)
    assert box.minimumSizeHint().width() == width
    box.resize(340, 100)
    box.show()
    shown = super(type(box.start), box.start).text()
    assert "…" in shown
    assert shown.startswith("Run on")
    assert box.start.text().endswith("of_an_image")
