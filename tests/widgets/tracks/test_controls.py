"""What the tracks dock offers follows from its state alone."""

from dataclasses import replace

import pytest

from napari_centermask.core.tracks import Way
from napari_centermask.widgets.tracks.controls import Axes, DockState, axes_of, choices, controls, guess

READY = DockState(axes_of("t"), n_frames=5, n_cells=20, n_tracks=4)


@pytest.mark.parametrize(
    ("letters", "axes"),
    [
        ("t", Axes(Way(0))),
        ("z", Axes(None, Way(0, is_depth=True))),
        ("tz", Axes(Way(0), Way(1, is_depth=True))),
        ("zt", Axes(Way(1), Way(0, is_depth=True))),
        ("", Axes()),
    ],
)
def test_letters_say_what_each_axis_means(letters, axes):
    assert axes_of(letters) == axes


@pytest.mark.parametrize(
    ("names", "letters"),
    [(("t",), "t"), (("Z",), "z"), (("depth",), "z"), (("axis0",), "t"), (("t", "z"), "tz"), (("z", "t"), "zt")],
)
def test_the_names_of_axes_are_believed(names, letters):
    assert guess(names) == letters
    assert letters in dict(choices(len(names)))


def test_axes_of_one_name_are_time_then_depth():
    assert guess(("t", "t")) == guess(("z", "z")) == "tz"
    assert choices(0) == choices(3) == []


def test_everything_can_be_done_with_tracked_cells():
    shown = controls(READY)
    assert all(c.enabled for c in (shown.follow, shown.link, shown.cut, shown.divide, shown.clear, shown.export))
    assert not shown.cancel.enabled


@pytest.mark.parametrize(
    ("change", "button", "why"),
    [
        ({"axes": Axes()}, "follow", "single image"),
        ({"n_cells": 0}, "follow", "There are no cells"),
        ({"n_frames": 1}, "follow", "Only one frame has cells"),
        ({"axes": axes_of("z"), "n_slices": 1}, "join", "Only one slice has cells"),
        ({"axes": axes_of("z")}, "divide", "no time axis"),
        ({"closed": "It is read-only."}, "link", "read-only"),
        ({"is_flat": False}, "link", "2D"),
        ({"is_running": True}, "follow", "A run is in progress"),
        ({"n_tracks": 0}, "cut", "No cell is on a track"),
        ({"n_tracks": 0}, "export", "No cell is on a track"),
        ({"is_exporting": True}, "export", "A file is being saved"),
        ({"n_tracks": 0}, "clear", "No cell is on a track"),
    ],
)
def test_a_button_that_cannot_work_says_why(change, button, why):
    control = getattr(controls(replace(READY, **change)), button)
    assert not control.enabled
    assert why in control.tooltip
