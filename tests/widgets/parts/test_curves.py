"""Live curves are drawn as rarely as the eye allows."""

from __future__ import annotations

import time

from napari_centermask.events import EvaluationEvent, StepEvent


def test_curves_are_drawn_at_most_four_times_a_second(qtbot):
    from napari_centermask.widgets.parts.curves import Curves
    from napari_centermask.widgets.work.run_state import RunState

    curves, run = Curves(), RunState()
    qtbot.addWidget(curves)
    start = time.monotonic()
    while (seconds := time.monotonic() - start) < 1.1:
        run.feed(StepEvent(step=run.step + 1, losses={"loss": 1.0}))
        curves.show_state(run)
        qtbot.wait(10)
    assert 2 <= curves.redraws <= 4 * seconds + 1
    assert curves.plots[0].lines["loss"].getData()[0][-1] > 10


def test_a_step_draws_the_window_once_and_only_what_is_new(qtbot):
    from qtpy.QtCore import QEvent, QObject

    from napari_centermask.widgets.parts.curves import Curves
    from napari_centermask.widgets.work.run_state import RunState

    class Paints(QObject):
        def eventFilter(self, watched, event):
            if event.type() == QEvent.Type.Paint:
                names.append(seen[watched])
            return False

    curves, run, names, paints = Curves(), RunState(steps=100), [], Paints()
    qtbot.addWidget(curves)
    seen = {curves.plots[0].widget.viewport(): "losses", curves.plots[1].widget.viewport(): "scores"}
    with qtbot.waitExposed(curves):
        curves.show()
    run.feed(EvaluationEvent(step=1, AP=0.1))
    for widget in seen:
        widget.installEventFilter(paints)
    for step in (1, 2, 3):
        names.clear()
        run.feed(StepEvent(step=step, losses={"loss": 0.5**step}))
        curves.show_state(run)
        qtbot.wait(2 * curves._timer.interval())
    assert names == ["losses"]
