"""What the parts of the review dock say."""

from review_field import FIELD, listed


def test_the_doubts_of_the_active_cell_are_said(open_dock):
    dock = open_dock({(): FIELD})
    assert "Press ▶" in dock.judging.why.text()
    dock.edits.select((2,))
    assert dock.judging.why.text() == "Cell 2: low score (0.50)."
    dock.edits.select((4,))
    assert dock.judging.why.text() == "Cell 4: nothing suspicious."


def test_the_filter_narrows_the_table_and_explains_mistakes(open_dock):
    dock = open_dock({(): FIELD})
    dock.cells.text.setText("score<0.65")
    assert listed(dock) == [2, 3]
    dock.cells.text.setText("score<")
    assert listed(dock) == [2, 3]
    assert not dock.cells.problem.isHidden()
    assert "Example: score<0.6" in dock.cells.problem.text()
    dock.cells.text.clear()
    assert dock.cells.problem.isHidden()
    assert len(listed(dock)) == 5
