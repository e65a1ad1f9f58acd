"""What a training would do, found out before it starts."""

from __future__ import annotations


def test_what_cannot_be_planned_says_why_and_leaves_nothing(home, data):
    from napari_centermask.widgets.training.plan import DataFolder, plan, user_runs
    from napari_centermask.widgets.work.tasks import Failed

    steps = plan(DataFolder(data), "nuclei")
    next(steps)
    steps.close()  # as another choice does
    assert not list(user_runs().glob("*"))
    ended = []

    def to_the_end():
        ended.append((yield from plan(DataFolder(home), "nuclei")))

    list(to_the_end())
    assert isinstance(ended[0], Failed)
    assert "annotations.json" in ended[0].message
    assert not list(user_runs().glob("*"))
