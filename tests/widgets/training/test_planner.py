"""A plan that nobody starts leaves nothing behind."""

from __future__ import annotations

import pytest
from played_job import OUTLIVES

pytestmark = OUTLIVES


@pytest.mark.parametrize("closed", ["dock", "window"])
def test_a_plan_that_nobody_started_goes_with_its_dock(framed, qtbot, home, closed):
    dock, frame, main = framed
    dock.advanced.fold.expand(animate=False)
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=60_000)
    assert list((home / "runs").iterdir())
    if closed == "dock":
        dock.setParent(None)  # as napari does
        frame.deleteLater()
    else:
        main.deleteLater()
    qtbot.waitUntil(lambda: not list((home / "runs").iterdir()), timeout=5_000)


def test_a_plan_in_the_making_goes_with_its_dock(framed, qtbot, home):
    dock, frame, _ = framed
    planner = dock.planner
    dock.advanced.fold.expand(animate=False)
    assert planner.is_running
    dock.setParent(None)
    frame.deleteLater()
    qtbot.waitUntil(lambda: not planner.is_running, timeout=20_000)
    qtbot.waitUntil(lambda: not list((home / "runs").glob("*")), timeout=5_000)


def test_a_check_that_is_cancelled_starts_nothing_and_leaves_nothing(framed, qtbot, home):
    dock, _, _ = framed
    dock.start.start.click()
    assert dock.planner.is_running
    assert dock.start.start.text() == "Cancel"
    dock.start.start.click()
    assert not dock.planner.is_running
    assert dock.start.start.text() == "Fine-tune"
    qtbot.waitUntil(lambda: not list((home / "runs").glob("*")), timeout=20_000)
    assert dock.training.job is None
