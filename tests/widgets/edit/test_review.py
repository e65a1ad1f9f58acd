"""The review of an image: the queue of doubtful cells, and regions in which all is right."""

from review_field import FIELD, SHAPE, cell, listed, status

from napari_centermask.widgets.edit.cell_rows import KEYS


def test_the_queue_can_begin_with_what_improves_a_model_most(viewer, open_dock):
    dock = open_dock({(): (cell(1, 20, 20, score=0.35), cell(2, 60, 60, score=0.5))})
    dock.judging.next.click()
    assert dock.edits.selected == (1,)
    dock.judging.first.setCurrentIndex(1)
    dock.judging.first.activated.emit(1)
    assert dock.review.queue() == [2, 1]


def test_each_judgement_is_one_edit_with_its_name(open_dock):
    dock = open_dock({(): FIELD})
    dock.judging.next.click()
    dock.judging.reject.click()
    assert status(dock, 2) == "rejected"
    assert dock.edits.history.undo_name == "rejection of cell 2"
    dock.edits.undo()
    assert status(dock, 2) == "predicted"
    assert dock.review.progress.done == 1


def test_going_back_returns_to_the_cell_before(open_dock):
    dock = open_dock({(): FIELD})
    dock.judging.next.click()
    dock.judging.next.click()
    assert dock.edits.selected == (3,)
    dock.judging.previous.click()
    assert dock.edits.selected == (2,)


def test_stacks_are_reviewed_over_all_planes(viewer, open_dock):
    dock = open_dock(
        {(0,): [cell(1, 20, 20, score=0.6)], (2,): [cell(2, 20, 20, score=0.5), cell(3, 60, 60)]}, leading=(3,)
    )
    assert not dock.cells.here.isHidden()
    assert not dock.cells.table.isColumnHidden(KEYS.index("plane"))
    dock.judging.next.click()
    assert (dock.edits.current_plane, dock.edits.selected) == ((2,), (2,))
    dock.judging.accept.click()
    assert (dock.edits.current_plane, dock.edits.selected) == ((0,), (1,))
    dock.cells.here.setChecked(True)
    assert listed(dock) == [1]
    viewer.dims.set_point(0, 2)
    assert sorted(listed(dock)) == [2, 3]


def test_the_threshold_changes_what_there_is_to_review(open_dock):
    dock = open_dock({(): FIELD})
    dock.session.set_threshold(dock.image.layer, 0.65)
    dock.settle()
    assert sorted(listed(dock)) == [1, 4, 5]
    assert str(dock.review.progress) == "1 of 3 reviewed"


def test_a_larger_region_replaces_those_inside_and_can_be_removed(open_dock):
    dock = open_dock({(): FIELD})
    dock.mark((0, 0, 40, 40))
    dock.mark((100, 100, 110, 110))
    dock.regions.whole.click()
    assert dock.edits.result.reviewed(()) == ((0, 0, *SHAPE),)
    assert dock.review.progress.done == 5
    dock.settle()
    assert dock.regions.list.item(0).text() == "the whole plane"
    dock.regions.list.setCurrentRow(0)
    dock.regions.remove.click()
    assert dock.edits.result.reviewed(()) == ()
    assert dock.review.progress.done == 5
